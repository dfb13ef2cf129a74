-- Returns the served time and the time of Redis, both in ms. Without a stored value served time starts with the time of
-- Redis, which is later than the end of all leases.
local function served(clock, most)
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  local values = redis.call('HMGET', clock, 'served', 'seen')
  if not values[1] then return now, now end
  return values[1] + math.max(0, math.min(now - values[2], tonumber(most))), now
end
