-- include census
-- include state

-- Closes a room. KEYS: presence, peak, state, optionally the node's people in the room.
-- Returns {count, peak, 1 if the count is to be published}.
if KEYS[4] then drop(KEYS[3], KEYS[4]) end
if not over(KEYS[3]) then
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[3], 'over', 1)
  redis.call('HINCRBY', KEYS[3], 'closed', 1)
  change(KEYS[3])
end
return census(KEYS[1], KEYS[2], unpublished(KEYS[3]), false)
