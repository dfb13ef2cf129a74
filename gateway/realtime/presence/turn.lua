-- include census
-- include news

-- KEYS: presence, peak, news. ARGV: ms between two turns, ms that the telling of a turn is waited for.
-- Answers {0} when everything was told; {1, ms} when it is worth asking again in so long; {2, count, peak, changes} to
-- who has the turn and tells the room. Only one tells at a time, or the older of two numbers might be heard last.
if untold(KEYS[3]) == 0 then return {0} end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local was = redis.call('HMGET', KEYS[3], 'changes', 'count', 'next', 'telling')
local answer = census(KEYS[1], KEYS[2], 0, false)
local wait = tonumber(was[3] or 0) - now
if wait > 0 and wait <= tonumber(ARGV[1]) then  -- more than that: the clock was set back, or is another server's
  local edge = (answer[1] == 0) ~= (tonumber(was[2] or 0) == 0)
  if not edge then return {1, wait} end
  if was[4] then return {1, math.min(wait, tonumber(ARGV[2]))} end
end
redis.call('HSET', KEYS[3], 'count', answer[1], 'next', now + ARGV[1], 'telling', was[1])
return {2, answer[1], answer[2], tonumber(was[1])}
