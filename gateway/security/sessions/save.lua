-- include now
-- include issued

-- Opens a session; returns the time of issue of its access token.
-- KEYS: session, sessions of the user, revocation of all tokens of the user.
-- ARGV: hash, ttl in ms, session id, most sessions of a user, prefix of a session's key, field names and values of the device.
redis.call('HSET', KEYS[1], 'current', ARGV[1], 'created', now, 'used', now, unpack(ARGV, 6))
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
redis.call('ZADD', KEYS[2], now + ARGV[2], ARGV[3])
-- Never shortens the lifetime, which other sessions may need.
if redis.call('PTTL', KEYS[2]) < tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[2], ARGV[2]) end
for _, old in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1 - ARGV[4])) do
  redis.call('DEL', ARGV[5] .. old, ARGV[5] .. old .. ':spent', ARGV[5] .. old .. ':salt')
  redis.call('ZREM', KEYS[2], old)
end
return issued(KEYS[3])
