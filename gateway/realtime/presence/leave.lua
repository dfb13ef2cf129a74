-- include census
-- include count_in
-- include take_out

-- Removes people of a node from a room.
-- KEYS: presence, peak, state, the node's people in the room. ARGV: people.
-- Returns {count, peak, 1 if the count changed, number of the node's people left in the room, the indexes from 1 of the
-- people who are on no node now}.
local changed, gone = 0, {}
drop_stale(KEYS[3], KEYS[4])
if over(KEYS[3]) then
  drop(KEYS[3], KEYS[4])
else
  changed = count_in(KEYS[1], KEYS[3], KEYS[4], false)
  for i, who in ipairs(ARGV) do
    if redis.call('SREM', KEYS[4], who) == 1 and take_out(KEYS[1], who) == 1 then
      changed = 1
      gone[#gone + 1] = i
    end
  end
end
if changed == 1 then change(KEYS[3]) end
local answer = census(KEYS[1], KEYS[2], changed, false)
answer[4], answer[5] = redis.call('SCARD', KEYS[4]), gone
if answer[4] == 0 then drop(KEYS[3], KEYS[4]) end
return answer
