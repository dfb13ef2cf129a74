"""What presence does in Redis in one atomic step each (Lua). Used by presence_redis.

A node writes under a name of its own, whose lease it renews. A name whose lease has ended is never renewed and gets no
further room; in each room that it is taken out of there is a mark, and nothing is written under it there any more. So
anybody may take out what it holds, in any number of steps, without racing against its node. And as each step touches
either the leases or one room, all its keys are in one slot of a cluster.
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
-- KEYS: nodes, the node's rooms. ARGV: name, lease in ms, grace in ms, whether the name is new ('1').
-- Answers {1 while the lease holds, else 0; how many rooms are listed; names whose lease ended before the grace}.
local nodes, name = KEYS[1], ARGV[1]
local lease = tonumber(redis.call('ZSCORE', nodes, name) or 0)
local alive = 0
if ARGV[4] == '1' or lease > now() then
  redis.call('ZADD', nodes, now() + ARGV[2], name)
  alive = 1
end
return {alive, redis.call('SCARD', KEYS[2]), redis.call('ZRANGEBYSCORE', nodes, '-inf', now() - ARGV[3])}
"""
)

REGISTER = (
    _NOW
    + """
-- KEYS: nodes, the node's rooms. ARGV: name, room. Answers 1 while the lease holds, else 0.
if tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or 0) <= now() then return 0 end
redis.call('SADD', KEYS[2], ARGV[2])
return 1
"""
)

BURY = """
-- KEYS: nodes, the dead node's rooms. ARGV: name.
redis.call('DEL', KEYS[2])
redis.call('ZREM', KEYS[1], ARGV[1])
"""

ENTER = (
    _CENSUS
    + """
-- KEYS: presence, peak, whom the node holds here, whether it was buried.
-- ARGV: '1' when the count is worth a record (not while a node is there under two names), people.
-- Answers {count, peak, 1 if a person is new over all nodes, 1 if they are in}.
local changed, alive = 0, 1 - redis.call('EXISTS', KEYS[4])
if alive == 1 then
  for i = 2, #ARGV do
    if redis.call('SADD', KEYS[3], ARGV[i]) == 1 and redis.call('HINCRBY', KEYS[1], ARGV[i], 1) == 1 then
      changed = 1
    end
  end
end
local answer = census(KEYS[1], KEYS[2], changed, ARGV[1] == '1')
answer[4] = alive
return answer
"""
)

LEAVE = (
    _CENSUS
    + _TAKE_OUT
    + """
-- KEYS: presence, peak, whom the node holds here. ARGV: who.
-- Answers {count, peak, 1 if that was the person's last node, how many the node still holds here}.
local changed = 0
if redis.call('SREM', KEYS[3], ARGV[1]) == 1 then changed = take_out(KEYS[1], ARGV[1]) end
local answer = census(KEYS[1], KEYS[2], changed, false)
answer[4] = redis.call('SCARD', KEYS[3])
return answer
"""
)

BECOME = (
    _CENSUS
    + _TAKE_OUT
    + """
-- KEYS: presence, peak, whom the node holds here, whether it was buried.
-- ARGV: who they were, who they are, '1' when the node has another socket of who they were.
-- Answers {count, peak, 1 if the number changed, 1 if they are in, 1 if who they are is new over all nodes,
-- 1 if that was the last node of who they were}.
local came, gone, alive = 0, 0, 1 - redis.call('EXISTS', KEYS[4])
if alive == 1 then
  if redis.call('SADD', KEYS[3], ARGV[2]) == 1 and redis.call('HINCRBY', KEYS[1], ARGV[2], 1) == 1 then came = 1 end
  if ARGV[3] ~= '1' and redis.call('SREM', KEYS[3], ARGV[1]) == 1 then gone = take_out(KEYS[1], ARGV[1]) end
end
local answer = census(KEYS[1], KEYS[2], came ~= gone and 1 or 0, alive == 1)
answer[4], answer[5], answer[6] = alive, came, gone
return answer
"""
)

REAP = (
    _CENSUS
    + _TAKE_OUT
    + """
-- KEYS: presence, peak, whom the dead node holds here, its mark. ARGV: how many at most.
-- Answers {count, peak, 1 if somebody is gone, how many are left to take out}. The mark lives longer than any call that
-- may still be on its way.
redis.call('SET', KEYS[4], 1, 'EX', 3600)
local changed = 0
for _, who in ipairs(redis.call('SPOP', KEYS[3], ARGV[1])) do
  if take_out(KEYS[1], who) == 1 then changed = 1 end
end
local answer = census(KEYS[1], KEYS[2], changed, false)
answer[4] = redis.call('SCARD', KEYS[3])
return answer
"""
)
