-- include census
-- include count_in

-- KEYS: presence, peak, news, whom the node holds here, whether it was buried.
-- ARGV: '1' when somebody came, '0' when a node tells anew whom it holds; people.
-- Telling anew is no record, for the node may be there under two names; and the room is told its number again, for what
-- it heard while Redis was away was not the whole.
-- Answers {count, peak, 1 if the room is to be told, 1 if they are in: 0 if the node was buried, 2 if the room is
-- over}.
local came, changed, state = ARGV[1] == '1', 0, 1 - redis.call('EXISTS', KEYS[5])
drop_stale(KEYS[3], KEYS[4])
if over(KEYS[3]) then
  drop(KEYS[3], KEYS[4])
  state = 2
elseif state == 1 then
  changed = count_in(KEYS[1], KEYS[3], KEYS[4], true)
  for i = 2, #ARGV do
    if redis.call('SADD', KEYS[4], ARGV[i]) == 1 and redis.call('HINCRBY', KEYS[1], ARGV[i], 1) == 1 then
      changed = 1
    end
  end
  if not came then changed = 1 end
  if changed == 1 then change(KEYS[3]) end
end
local answer = census(KEYS[1], KEYS[2], changed, came)
answer[4] = state
return answer
