-- 1 when that was the last node that had them, else 0; never below nothing.
local function take_out(presence, who)
  if redis.call('HINCRBY', presence, who, -1) > 0 then return 0 end
  redis.call('HDEL', presence, who)
  return 1
end
