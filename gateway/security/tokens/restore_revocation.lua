-- Put an entry back that was lost, unless one is there that revokes as much.
-- KEYS: the entry. ARGV: its value, ms to live. Answers 1 if it was put back.
local old = redis.call('GET', KEYS[1])
if old and tonumber(string.match(old, '^%S+')) >= tonumber(string.match(ARGV[1], '^%S+')) then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
