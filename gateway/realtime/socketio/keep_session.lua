-- Stores a recovery session, unless a later generation has. KEYS: entry. ARGV: generation, entry, ms to live.
local entry = redis.call('GET', KEYS[1])
if entry and tonumber(string.match(entry, '^%d+')) > tonumber(ARGV[1]) then return end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
