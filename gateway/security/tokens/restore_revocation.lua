-- Restores a lost entry, unless the present one revokes as much.
-- KEYS: entry. ARGV: value, ms to live. Returns 1 if it was restored.
local old = redis.call('GET', KEYS[1])
if old and tonumber(string.match(old, '^%S+')) >= tonumber(string.match(ARGV[1], '^%S+')) then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
