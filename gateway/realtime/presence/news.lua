local function change(news)
  redis.call('HINCRBY', news, 'changes', 1)
  redis.call('EXPIRE', news, 604800)
end

local function over(news)
  return redis.call('HGET', news, 'over')
end

local function mark(held)
  return 'counted:' .. held
end

local function drop(news, held)
  redis.call('DEL', held)
  redis.call('HDEL', news, mark(held))
end

-- Forget whom a node held here before the room was closed last: they were taken out then. A node that had not heard of
-- the closing would count them as in.
local function drop_stale(news, held)
  local closed = redis.call('HGET', news, 'closed')
  if closed and redis.call('HGET', news, held) ~= closed then
    drop(news, held)
    redis.call('HSET', news, held, closed)
  end
end

-- 1 when the room has not been told of every change, else 0.
local function untold(news)
  local was = redis.call('HMGET', news, 'changes', 'told')
  return tonumber(was[1] or 0) > tonumber(was[2] or 0) and 1 or 0
end
