-- The time of the server, as {seconds, microseconds}. KEYS: any key, which says which server of a cluster is asked.
return redis.call('TIME')
