-- Deletes a session. KEYS: session, used tokens, salt, sessions of the user. ARGV: session id. Returns 1 if it existed.
redis.call('ZREM', KEYS[4], ARGV[1])
local existed = redis.call('DEL', KEYS[1])
redis.call('DEL', KEYS[2], KEYS[3])
return existed
