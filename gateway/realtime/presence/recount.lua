-- include count_in

-- Restarts the count of a room and deletes the node's people, who are added again after this. Other nodes add theirs at
-- their next call.
-- KEYS: presence, state, the node's people in the room.
if not over(KEYS[2]) then
  drop(KEYS[2], KEYS[3])
  begin_count(KEYS[1], KEYS[2])
  change(KEYS[2])
end
