-- include census
-- include count_in
-- include take_out

-- Removes people of a dead node from a room.
-- KEYS: presence, peak, state, the node's people in the room, the mark of a removed node. ARGV: how many at most.
-- Returns {count, peak, 1 if the count is to be published, how many are left to remove}. Changes that the dead node did not
-- publish are published, too. The mark expires later than any delayed call of the node can arrive.
redis.call('SET', KEYS[5], 1, 'EX', 3600)
drop_stale(KEYS[3], KEYS[4])
if over(KEYS[3]) then
  drop(KEYS[3], KEYS[4])
else
  local changed = count_in(KEYS[1], KEYS[3], KEYS[4], false)
  for _, who in ipairs(redis.call('SPOP', KEYS[4], ARGV[1])) do
    if take_out(KEYS[1], who) == 1 then changed = 1 end
  end
  if changed == 1 then change(KEYS[3]) end
end
local answer = census(KEYS[1], KEYS[2], unpublished(KEYS[3]), false)
answer[4] = redis.call('SCARD', KEYS[4])
if answer[4] == 0 then redis.call('HDEL', KEYS[3], KEYS[4], mark(KEYS[4])) end
return answer
