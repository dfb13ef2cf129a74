-- include news

-- KEYS: news. ARGV: up to which change the room was told.
-- Answers 1 if it is to be told more: also when another node had the turn meanwhile, for this one was slow and may have
-- been heard after it.
if redis.call('HGET', KEYS[1], 'telling') == ARGV[1] then
  redis.call('HDEL', KEYS[1], 'telling')
  redis.call('HSET', KEYS[1], 'told', ARGV[1])
else
  change(KEYS[1])
end
return untold(KEYS[1])
