-- Returns a lease. KEYS: lease. ARGV: token.
return redis.call('GET', KEYS[1]) == ARGV[1] and redis.call('DEL', KEYS[1]) or 0
