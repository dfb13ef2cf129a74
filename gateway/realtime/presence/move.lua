-- include census
-- include count_in
-- include take_out

-- Counts a socket as another person.
-- KEYS: presence, peak, state, the node's people in the room, the mark of a removed node.
-- ARGV: the person before, the person after, '1' if the node has another socket of the person before.
-- Returns {count, peak, 1 if the count changed, 1 if the person was added (0: the node was removed, 2: the room is
-- closed), 1 if the person after was on no node, 1 if the person before is on no node now}.
local came, gone, changed, result = 0, 0, 0, 1 - redis.call('EXISTS', KEYS[5])
drop_stale(KEYS[3], KEYS[4])
if over(KEYS[3]) then
  drop(KEYS[3], KEYS[4])
  result = 2
elseif result == 1 then
  changed = count_in(KEYS[1], KEYS[3], KEYS[4], true)
  if redis.call('SADD', KEYS[4], ARGV[2]) == 1 and redis.call('HINCRBY', KEYS[1], ARGV[2], 1) == 1 then came = 1 end
  if ARGV[3] ~= '1' and redis.call('SREM', KEYS[4], ARGV[1]) == 1 then gone = take_out(KEYS[1], ARGV[1]) end
  if came ~= gone then changed = 1 end
  if changed == 1 then change(KEYS[3]) end
end
local answer = census(KEYS[1], KEYS[2], changed, result == 1)
answer[4], answer[5], answer[6] = result, came, gone
return answer
