-- Returns the time of the server as {seconds, microseconds}. KEYS: any key, which selects the server of a cluster.
return redis.call('TIME')
