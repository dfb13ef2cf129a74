"""What presence does in Redis in one atomic step each (Lua). Used by presence_redis.

A node writes under a name of its own, whose lease it renews. A name whose lease has ended is never renewed and never
written to again, so anybody may take out what it holds, in any number of steps, without racing against its node.
"""

_NOW = """
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
"""

_CENSUS = """
local function census(presence, peak, changed, record)
  local count, most = redis.call('HLEN', presence), tonumber(redis.call('GET', peak) or 0)
  if record and count > most then
    redis.call('SET', peak, count, 'EX', 604800)  -- a week after the last record the room is over
  end
  return {count, math.max(count, most), changed}
end
"""

_TAKE_OUT = """
-- 1 when that was the last node that had them, else 0; never below nothing.
local function take_out(presence, who)
  if redis.call('HINCRBY', presence, who, -1) > 0 then return 0 end
  redis.call('HDEL', presence, who)
  return 1
end
"""

BEAT = (
    _NOW
    + """
-- KEYS: nodes. ARGV: name, lease in ms, grace in ms, whether the name is new ('1').
-- Answers {1 while the lease holds, else 0; the names whose lease ended longer ago than the grace}.
local nodes, name = KEYS[1], ARGV[1]
local lease = tonumber(redis.call('ZSCORE', nodes, name) or 0)
local alive = 0
if ARGV[4] == '1' or lease > now() then
  redis.call('ZADD', nodes, now() + ARGV[2], name)
  alive = 1
end
return {alive, redis.call('ZRANGEBYSCORE', nodes, '-inf', now() - ARGV[3])}
"""
)

ENTER = (
    _NOW
    + _CENSUS
    + """
-- KEYS: nodes, presence, peak, whom the node holds here, the node's rooms.
-- ARGV: name, room, '1' when the count is worth a record (not while a node is there under two names), people.
-- Answers {count, peak, 1 if a person is new over all nodes, 1 while the lease holds}.
local changed, alive = 0, 0
if tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or 0) > now() then
  alive = 1
  for i = 4, #ARGV do
    if redis.call('SADD', KEYS[4], ARGV[i]) == 1 and redis.call('HINCRBY', KEYS[2], ARGV[i], 1) == 1 then
      changed = 1
    end
  end
  redis.call('SADD', KEYS[5], ARGV[2])
end
local answer = census(KEYS[2], KEYS[3], changed, ARGV[3] == '1')
answer[4] = alive
return answer
"""
)

LEAVE = (
    _CENSUS
    + _TAKE_OUT
    + """
-- KEYS: presence, peak, whom the node holds here, the node's rooms. ARGV: room, who.
-- Answers {count, peak, 1 if that was the person's last node}.
local changed = 0
if redis.call('SREM', KEYS[3], ARGV[2]) == 1 then
  changed = take_out(KEYS[1], ARGV[2])
  if redis.call('EXISTS', KEYS[3]) == 0 then redis.call('SREM', KEYS[4], ARGV[1]) end
end
return census(KEYS[1], KEYS[2], changed, false)
"""
)

BECOME = (
    _NOW
    + _CENSUS
    + _TAKE_OUT
    + """
-- KEYS: nodes, presence, peak, whom the node holds here, the node's rooms.
-- ARGV: name, room, who they were, who they are, '1' when the node has another socket of who they were.
-- Answers {count, peak, 1 if the number changed, 1 while the lease holds, 1 if who they are is new over all nodes,
-- 1 if that was the last node of who they were}.
local came, gone, alive = 0, 0, 0
if tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or 0) > now() then
  alive = 1
  if redis.call('SADD', KEYS[4], ARGV[4]) == 1 and redis.call('HINCRBY', KEYS[2], ARGV[4], 1) == 1 then came = 1 end
  if ARGV[5] ~= '1' and redis.call('SREM', KEYS[4], ARGV[3]) == 1 then gone = take_out(KEYS[2], ARGV[3]) end
  redis.call('SADD', KEYS[5], ARGV[2])
end
local answer = census(KEYS[2], KEYS[3], came ~= gone and 1 or 0, alive == 1)
answer[4], answer[5], answer[6] = alive, came, gone
return answer
"""
)

REAP = (
    _CENSUS
    + _TAKE_OUT
    + """
-- KEYS: presence, peak, whom the dead node holds here, the dead node's rooms. ARGV: room, how many at most.
-- Answers {count, peak, 1 if somebody is gone, how many are left to take out}.
local changed = 0
for _, who in ipairs(redis.call('SPOP', KEYS[3], ARGV[2])) do
  if take_out(KEYS[1], who) == 1 then changed = 1 end
end
local left = redis.call('SCARD', KEYS[3])
if left == 0 then redis.call('SREM', KEYS[4], ARGV[1]) end
local answer = census(KEYS[1], KEYS[2], changed, false)
answer[4] = left
return answer
"""
)
