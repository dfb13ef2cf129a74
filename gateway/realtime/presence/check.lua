-- include census
-- include count_in

-- Adds the node's people to a count that was restarted without them.
-- KEYS: presence, peak, state, the node's people in the room.
-- Returns {count, peak, 1 if people of the node were missing in the count, number of the node's people in the room, -1 if
-- the room is closed}.
local changed = 0
drop_stale(KEYS[3], KEYS[4])
local is_over = over(KEYS[3])
if not is_over then
  changed = count_in(KEYS[1], KEYS[3], KEYS[4], false)
  if changed == 1 then change(KEYS[3]) end
  redis.call('EXPIRE', KEYS[3], 604800)
end
local answer = census(KEYS[1], KEYS[2], changed, false)
answer[4] = is_over and -1 or redis.call('SCARD', KEYS[4])
return answer
