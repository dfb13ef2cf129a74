-- Stores a loaded value, if its lease is still held. KEYS: entry, lease. ARGV: token, entry, ms to live.
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return redis.call('DEL', KEYS[2])
