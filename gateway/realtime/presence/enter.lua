-- include census
-- include count_in

-- Adds people of a node to a room.
-- KEYS: presence, peak, state, the node's people in the room, the mark of a removed node.
-- ARGV: '1' if they entered, '0' if the node announces them again; people.
-- Announcing again does not raise the peak, because the node may be counted under two names; and it has the count
-- published again, because it was incomplete while Redis was unavailable.
-- Returns {count, peak, 1 if the count is to be published, 1 if they were added (0: the node was removed, 2: the room is
-- closed), the indexes from 1 of the people who were on no node}.
local came, changed, result, new = ARGV[1] == '1', 0, 1 - redis.call('EXISTS', KEYS[5]), {}
drop_stale(KEYS[3], KEYS[4])
if over(KEYS[3]) then
  drop(KEYS[3], KEYS[4])
  result = 2
elseif result == 1 then
  changed = count_in(KEYS[1], KEYS[3], KEYS[4], true)
  for i = 2, #ARGV do
    if redis.call('SADD', KEYS[4], ARGV[i]) == 1 and redis.call('HINCRBY', KEYS[1], ARGV[i], 1) == 1 then
      changed = 1
      new[#new + 1] = i - 1
    end
  end
  if not came then changed = 1 end
  if changed == 1 then change(KEYS[3]) end
end
local answer = census(KEYS[1], KEYS[2], changed, came)
answer[4], answer[5] = result, new
return answer
