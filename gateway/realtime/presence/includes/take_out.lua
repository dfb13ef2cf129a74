-- Removes a person of one node from the count. Returns 1 if that was the last node with the person, else 0.
local function take_out(presence, who)
  if redis.call('HINCRBY', presence, who, -1) > 0 then return 0 end
  redis.call('HDEL', presence, who)
  return 1
end
