-- Deletes a recovery session, unless a later generation has stored it. KEYS: entry. ARGV: generation.
local entry = redis.call('GET', KEYS[1])
if entry and tonumber(string.match(entry, '^%d+')) > tonumber(ARGV[1]) then return end
redis.call('DEL', KEYS[1])
