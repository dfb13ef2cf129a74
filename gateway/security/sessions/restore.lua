-- include now

-- Copies a guest's session from PostgreSQL, unless a later state is here.
-- KEYS: session, used tokens, salt, sessions of the user.
-- ARGV: session id, hash, created, used, remaining lifetime in ms, ttl in ms, salt, remaining lifetime of the salt in ms,
-- number of the following field names and values of the device, these names and values, hashes of used tokens.
if tonumber(redis.call('HGET', KEYS[1], 'used') or 0) >= tonumber(ARGV[4]) then return 0 end
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
local last = 9 + ARGV[9]
redis.call('HSET', KEYS[1], 'current', ARGV[2], 'created', ARGV[3], 'used', ARGV[4], unpack(ARGV, 10, last))
if #ARGV > last then
  redis.call('HSET', KEYS[1], 'previous', ARGV[#ARGV])
  for i = last + 1, #ARGV do redis.call('LPUSH', KEYS[2], ARGV[i]) end
  redis.call('PEXPIRE', KEYS[2], ARGV[5])
  if tonumber(ARGV[8]) > 0 then redis.call('SET', KEYS[3], ARGV[7], 'PX', ARGV[8]) end
end
redis.call('PEXPIRE', KEYS[1], ARGV[5])
redis.call('ZADD', KEYS[4], now + ARGV[5], ARGV[1])
redis.call('PEXPIRE', KEYS[4], ARGV[6])
return 1
