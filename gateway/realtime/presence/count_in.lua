-- include news

-- Whom a node holds, and the count, are two keys, and Redis may lose either. The news tell: `rebuilt` is how often the
-- count began anew, and a mark says for which of them the people of a node were counted. There is a mark exactly while
-- the node holds somebody.
local function begin_count(presence, news)
  redis.call('DEL', presence)
  local rebuilt = redis.call('HINCRBY', news, 'rebuilt', 1)
  redis.call('EXPIRE', news, 604800)
  return tostring(rebuilt)
end

-- Have the count contain whom a node holds; `coming` says that the node will hold somebody after this.
-- 1 when somebody was missing in it, or in it and gone, else 0.
local function count_in(presence, news, held, coming)
  local there = redis.call('EXISTS', held) == 1
  local was = redis.call('HMGET', news, 'rebuilt', mark(held))
  local rebuilt, counted = was[1], was[2]
  if not (coming or there or counted) then return 0 end
  local lost = counted and counted == rebuilt and not there
  if lost or not rebuilt or redis.call('EXISTS', presence) == 0 then rebuilt = begin_count(presence, news) end
  if counted == rebuilt then return 0 end
  local people = redis.call('SMEMBERS', held)
  for _, who in ipairs(people) do redis.call('HINCRBY', presence, who, 1) end
  if coming or there then
    redis.call('HSET', news, mark(held), rebuilt)
  else
    redis.call('HDEL', news, mark(held))
  end
  return (lost or #people > 0) and 1 or 0
end
