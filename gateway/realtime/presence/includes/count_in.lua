-- include state

-- A node's people and the count are two keys, and Redis may lose either. In the state, `rebuilt` is how often the count
-- was restarted, and a mark of each node says in which of these counts its people are. A node has a mark exactly while it
-- has people in the room.
local function begin_count(presence, state)
  redis.call('DEL', presence)
  local rebuilt = redis.call('HINCRBY', state, 'rebuilt', 1)
  redis.call('EXPIRE', state, 604800)
  return tostring(rebuilt)
end

-- Makes the count include a node's people; `coming` means that the node will have people after this.
-- Returns 1 if somebody was missing in the count or wrongly in it, else 0.
local function count_in(presence, state, people, coming)
  local there = redis.call('EXISTS', people) == 1
  local values = redis.call('HMGET', state, 'rebuilt', mark(people))
  local rebuilt, counted = values[1], values[2]
  if not (coming or there or counted) then return 0 end
  local lost = counted and counted == rebuilt and not there
  if lost or not rebuilt or redis.call('EXISTS', presence) == 0 then rebuilt = begin_count(presence, state) end
  if counted == rebuilt then return 0 end
  local names = redis.call('SMEMBERS', people)
  for _, who in ipairs(names) do redis.call('HINCRBY', presence, who, 1) end
  if coming or there then
    redis.call('HSET', state, mark(people), rebuilt)
  else
    redis.call('HDEL', state, mark(people))
  end
  return (lost or #names > 0) and 1 or 0
end
