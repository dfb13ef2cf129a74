-- include census
-- include news
-- include take_out

-- KEYS: presence, peak, news, whom the node holds here. ARGV: who.
-- Answers {count, peak, 1 if that was the person's last node, how many the node still holds here}.
local changed = 0
drop_stale(KEYS[3], KEYS[4])
if over(KEYS[3]) then
  redis.call('DEL', KEYS[4])
elseif redis.call('SREM', KEYS[4], ARGV[1]) == 1 then
  changed = take_out(KEYS[1], ARGV[1])
end
if changed == 1 then change(KEYS[3]) end
local answer = census(KEYS[1], KEYS[2], changed, false)
answer[4] = redis.call('SCARD', KEYS[4])
return answer
