-- KEYS: session, spent, salt, sessions of the user · ARGV: session id
redis.call('ZREM', KEYS[4], ARGV[1])
local existed = redis.call('DEL', KEYS[1])
redis.call('DEL', KEYS[2], KEYS[3])
return existed
