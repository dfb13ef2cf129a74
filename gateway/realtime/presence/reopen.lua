-- Reopens a closed room. KEYS: state.
redis.call('HDEL', KEYS[1], 'over')
