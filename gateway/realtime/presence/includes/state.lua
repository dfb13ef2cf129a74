local function change(state)
  redis.call('HINCRBY', state, 'changes', 1)
  redis.call('EXPIRE', state, 604800)
end

local function over(state)
  return redis.call('HGET', state, 'over')
end

local function mark(people)
  return 'counted:' .. people
end

local function drop(state, people)
  redis.call('DEL', people)
  redis.call('HDEL', state, mark(people))
end

-- Deletes the people that a node had in a room before it was last closed: the close removed them from the count. A node
-- that missed the close would count them.
local function drop_stale(state, people)
  local closed = redis.call('HGET', state, 'closed')
  if closed and redis.call('HGET', state, people) ~= closed then
    drop(state, people)
    redis.call('HSET', state, people, closed)
  end
end

-- Returns 1 if a change of the count was not published yet, else 0.
local function unpublished(state)
  local values = redis.call('HMGET', state, 'changes', 'told')
  return tonumber(values[1] or 0) > tonumber(values[2] or 0) and 1 or 0
end
