-- include now
-- include issued

-- Exchanges a refresh token for its successor.
-- KEYS: session, used tokens, salt, sessions of the user, revocation of all tokens of the user.
-- ARGV: hash, hash of the successor, salt, ttl in ms, grace in ms, session id.
-- Returns {'rotated' | 'replayed' | 'unknown', salt, time of issue}. Keeps a thousand hashes of used tokens, more than a
-- session uses in seven days with a refresh every fifteen minutes.
local kept = redis.call('HMGET', KEYS[1], 'current', 'previous')
if not kept[1] then return {'unknown', '', '0'} end
if kept[1] == ARGV[1] then
  redis.call('HSET', KEYS[1], 'current', ARGV[2], 'previous', ARGV[1], 'used', now)
  redis.call('LPUSH', KEYS[2], ARGV[1])
  redis.call('LTRIM', KEYS[2], 0, 999)
  redis.call('SET', KEYS[3], ARGV[3], 'PX', ARGV[5])
  redis.call('ZADD', KEYS[4], now + ARGV[4], ARGV[6])
  for _, key in ipairs({KEYS[1], KEYS[2], KEYS[4]}) do redis.call('PEXPIRE', key, ARGV[4]) end
  return {'rotated', ARGV[3], issued(KEYS[5])}
end
if kept[2] == ARGV[1] then
  local salt = redis.call('GET', KEYS[3])
  if salt then return {'rotated', salt, issued(KEYS[5])} end
end
if redis.call('LPOS', KEYS[2], ARGV[1]) then
  redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
  redis.call('ZREM', KEYS[4], ARGV[6])
  return {'replayed', '', '0'}
end
return {'unknown', '', '0'}
