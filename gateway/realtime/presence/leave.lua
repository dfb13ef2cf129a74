-- include census
-- include count_in
-- include take_out

-- Removes a person of a node from a room.
-- KEYS: presence, peak, state, the node's people in the room. ARGV: the person.
-- Returns {count, peak, 1 if the count changed, number of the node's people left in the room}.
local changed = 0
drop_stale(KEYS[3], KEYS[4])
if over(KEYS[3]) then
  drop(KEYS[3], KEYS[4])
else
  changed = count_in(KEYS[1], KEYS[3], KEYS[4], false)
  if redis.call('SREM', KEYS[4], ARGV[1]) == 1 and take_out(KEYS[1], ARGV[1]) == 1 then changed = 1 end
end
if changed == 1 then change(KEYS[3]) end
local answer = census(KEYS[1], KEYS[2], changed, false)
answer[4] = redis.call('SCARD', KEYS[4])
if answer[4] == 0 then drop(KEYS[3], KEYS[4]) end
return answer
