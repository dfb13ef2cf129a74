-- include now

-- Extends a guest's session; returns 0 if it is not here.
-- KEYS: session, used tokens, salt, sessions of the user, devices of the user. ARGV: ttl in ms, session id.
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], 'used', now)
redis.call('ZADD', KEYS[4], now + ARGV[1], ARGV[2])
for _, key in ipairs({KEYS[1], KEYS[2], KEYS[4], KEYS[5]}) do redis.call('PEXPIRE', key, ARGV[1]) end
return 1
