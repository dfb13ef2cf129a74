-- include now

-- KEYS: session, spent, salt, sessions of the user
-- ARGV: session id, hash, device, created, used, ms it has left, ttl ms, salt, ms the salt has left, spent hashes
if tonumber(redis.call('HGET', KEYS[1], 'used') or 0) >= tonumber(ARGV[5]) then return 0 end
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
redis.call('HSET', KEYS[1], 'current', ARGV[2], 'device', ARGV[3], 'created', ARGV[4], 'used', ARGV[5])
if #ARGV > 9 then
  redis.call('HSET', KEYS[1], 'previous', ARGV[#ARGV])
  for i = 10, #ARGV do redis.call('LPUSH', KEYS[2], ARGV[i]) end
  redis.call('PEXPIRE', KEYS[2], ARGV[6])
  if tonumber(ARGV[9]) > 0 then redis.call('SET', KEYS[3], ARGV[8], 'PX', ARGV[9]) end
end
redis.call('PEXPIRE', KEYS[1], ARGV[6])
redis.call('ZADD', KEYS[4], now + ARGV[6], ARGV[1])
redis.call('PEXPIRE', KEYS[4], ARGV[7])
return 1
