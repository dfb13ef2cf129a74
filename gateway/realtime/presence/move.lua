-- include census
-- include count_in
-- include take_out

-- KEYS: presence, peak, news, whom the node holds here, whether it was buried.
-- ARGV: who they were, who they are, '1' when the node has another socket of who they were.
-- Answers {count, peak, 1 if the number changed, 1 if they are in: 0 if the node was buried, 2 if the room is over,
-- 1 if who they are is new over all nodes, 1 if that was the last node of who they were}.
local came, gone, changed, state = 0, 0, 0, 1 - redis.call('EXISTS', KEYS[5])
drop_stale(KEYS[3], KEYS[4])
if over(KEYS[3]) then
  drop(KEYS[3], KEYS[4])
  state = 2
elseif state == 1 then
  changed = count_in(KEYS[1], KEYS[3], KEYS[4], true)
  if redis.call('SADD', KEYS[4], ARGV[2]) == 1 and redis.call('HINCRBY', KEYS[1], ARGV[2], 1) == 1 then came = 1 end
  if ARGV[3] ~= '1' and redis.call('SREM', KEYS[4], ARGV[1]) == 1 then gone = take_out(KEYS[1], ARGV[1]) end
  if came ~= gone then changed = 1 end
  if changed == 1 then change(KEYS[3]) end
end
local answer = census(KEYS[1], KEYS[2], changed, state == 1)
answer[4], answer[5], answer[6] = state, came, gone
return answer
