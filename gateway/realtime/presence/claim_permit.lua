-- include census
-- include state

-- Claims the right to publish a room's count.
-- KEYS: presence, peak, state. ARGV: ms between two permits, ms that other nodes wait for the node with a permit to publish.
-- Returns {0} if everything was published, {1, ms until the next attempt}, or {2, count, peak, changes} to the node that
-- got the permit. Only one node publishes at a time, else clients might receive the older of two counts last.
if unpublished(KEYS[3]) == 0 then return {0} end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local values = redis.call('HMGET', KEYS[3], 'changes', 'count', 'next', 'telling')
local answer = census(KEYS[1], KEYS[2], 0, false)
local wait = tonumber(values[3] or 0) - now
if wait > 0 and wait <= tonumber(ARGV[1]) then  -- more than that: the clock was set back, or is another server's
  local edge = (answer[1] == 0) ~= (tonumber(values[2] or 0) == 0)
  if not edge then return {1, wait} end
  if values[4] then return {1, math.min(wait, tonumber(ARGV[2]))} end  -- another node is publishing
end
redis.call('HSET', KEYS[3], 'count', answer[1], 'next', now + ARGV[1], 'telling', values[1])
return {2, answer[1], answer[2], tonumber(values[1])}
