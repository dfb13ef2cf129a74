-- include now
-- include issued

-- KEYS: session, sessions of the user, moment up to which all was revoked
-- ARGV: hash, device, ttl ms, session id, how many sessions, prefix of a session's key
redis.call('HSET', KEYS[1], 'current', ARGV[1], 'device', ARGV[2], 'created', now, 'used', now)
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
redis.call('ZADD', KEYS[2], now + ARGV[3], ARGV[4])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
for _, old in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1 - ARGV[5])) do
  redis.call('DEL', ARGV[6] .. old, ARGV[6] .. old .. ':spent', ARGV[6] .. old .. ':salt')
  redis.call('ZREM', KEYS[2], old)
end
return issued(KEYS[3])
