-- Stores the value of a change, unless a later version is stored. KEYS: entry, lease. ARGV: version, entry, ms to live.
local entry = redis.call('GET', KEYS[1])
if entry and tonumber(string.match(entry, '^%d+')) > tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
redis.call('DEL', KEYS[2])
return 1
