-- include census
-- include count_in

-- KEYS: presence, peak, news, whom the node holds here.
-- Answers {count, peak, 1 if people of the node were missing in the count, how many the node holds here: -1 if the room
-- is over}.
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
