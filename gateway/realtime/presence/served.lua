-- The served time in ms, and the time of Redis. Where there is none yet, or it was lost, it begins with the time of
-- Redis: later than all leases there may still be.
local function served(clock, most)
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  local was = redis.call('HMGET', clock, 'served', 'seen')
  if not was[1] then return now, now end
  return was[1] + math.max(0, math.min(now - was[2], tonumber(most))), now
end
