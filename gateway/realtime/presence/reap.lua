-- include census
-- include count_in
-- include take_out

-- KEYS: presence, peak, news, whom the dead node holds here, its mark. ARGV: how many at most.
-- Answers {count, peak, 1 if the room is to be told, how many are left to take out}. What the dead node changed and did
-- not live to tell is to be told, too. The mark lives longer than any call that may still be on its way.
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
local answer = census(KEYS[1], KEYS[2], untold(KEYS[3]), false)
answer[4] = redis.call('SCARD', KEYS[4])
if answer[4] == 0 then redis.call('HDEL', KEYS[3], KEYS[4], mark(KEYS[4])) end
return answer
