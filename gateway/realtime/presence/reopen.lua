-- KEYS: news.
redis.call('HDEL', KEYS[1], 'over')
