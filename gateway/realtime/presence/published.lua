-- include state

-- Records that a count was published.
-- KEYS: state. ARGV: the last change in the published count.
-- Returns 1 if the count is to be published again: there are newer changes, or another node claimed a permit in between and
-- clients may have received the older count last.
if redis.call('HGET', KEYS[1], 'telling') == ARGV[1] then
  redis.call('HDEL', KEYS[1], 'telling')
  redis.call('HSET', KEYS[1], 'told', ARGV[1])
else
  change(KEYS[1])
end
return unpublished(KEYS[1])
