"""What presence does in Redis in one atomic step each (Lua). Used by presence_lease and presence_rooms.

A node writes under a name of its own, whose lease it renews. A name whose lease has ended is never renewed and gets no
further room; in each room that it is taken out of there is a mark, and nothing is written under it there any more. So
anybody may take out what it holds, in any number of steps, without racing against its node. And as each step touches
either the leases or one room, all its keys are in one slot of a cluster.

Leases are counted in served time: the time of Redis, in which a silence of all nodes is no longer than `most`. While
Redis hangs or is away nobody can beat, so nobody's lease may run out.

Each change of a room's number of people adds one to `changes` of its news; `told` is up to where the room was told.
"""

_SERVED = """
-- The served time in ms, and the time of Redis. Where there is none yet, or it was lost, it begins with the time of
-- Redis: later than all leases there may still be.
local function served(clock, most)
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  local was = redis.call('HMGET', clock, 'served', 'seen')
  if not was[1] then return now, now end
  return was[1] + math.max(0, math.min(now - was[2], tonumber(most))), now
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

_NEWS = """
local function change(news)
  redis.call('HINCRBY', news, 'changes', 1)
  redis.call('EXPIRE', news, 604800)
end

local function over(news)
  return redis.call('HGET', news, 'over')
end

-- Forget whom a node held here before the room was closed last: they were taken out then. A node that had not heard of
-- the closing would count them as in.
local function drop_stale(news, held)
  local closed = redis.call('HGET', news, 'closed')
  if closed and redis.call('HGET', news, held) ~= closed then
    redis.call('DEL', held)
    redis.call('HSET', news, held, closed)
  end
end

-- 1 when the room has not been told of every change, else 0.
local function untold(news)
  local was = redis.call('HMGET', news, 'changes', 'told')
  return tonumber(was[1] or 0) > tonumber(was[2] or 0) and 1 or 0
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
    _SERVED
    + """
-- KEYS: nodes, the node's rooms, clock.
-- ARGV: name, lease in ms, the most ms of a silence that count, whether the name is new ('1').
-- Answers {1 while the lease holds, else 0; how many rooms are listed; names whose lease has ended}.
local nodes, name = KEYS[1], ARGV[1]
local time, now = served(KEYS[3], ARGV[3])
redis.call('HSET', KEYS[3], 'served', time, 'seen', now)
local lease = tonumber(redis.call('ZSCORE', nodes, name) or 0)
local alive = 0
if ARGV[4] == '1' or lease > time then
  redis.call('ZADD', nodes, time + ARGV[2], name)
  alive = 1
end
return {alive, redis.call('SCARD', KEYS[2]), redis.call('ZRANGEBYSCORE', nodes, '-inf', time)}
"""
)

REGISTER = (
    _SERVED
    + """
-- KEYS: nodes, the node's rooms, clock. ARGV: name, room, the most ms of a silence that count.
-- Answers 1 while the lease holds, else 0.
if tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or 0) <= served(KEYS[3], ARGV[3]) then return 0 end
redis.call('SADD', KEYS[2], ARGV[2])
return 1
"""
)

REMEMBER = (
    _SERVED
    + """
-- KEYS: nodes, the node's rooms, clock. ARGV: name, lease in ms, the most ms of a silence that count, rooms.
-- What Redis may have lost of a name that is to be given up: whoever finds its lease over takes out whom it holds.
local time = served(KEYS[3], ARGV[3])
redis.call('ZADD', KEYS[1], 'NX', time + ARGV[2], ARGV[1])
for i = 4, #ARGV do redis.call('SADD', KEYS[2], ARGV[i]) end
"""
)

BURY = """
-- KEYS: nodes, the dead node's rooms. ARGV: name.
redis.call('DEL', KEYS[2])
redis.call('ZREM', KEYS[1], ARGV[1])
"""

ENTER = (
    _CENSUS
    + _NEWS
    + """
-- KEYS: presence, peak, news, whom the node holds here, whether it was buried.
-- ARGV: '1' when somebody came, '0' when a node tells anew whom it holds; people.
-- Telling anew is no record, for the node may be there under two names; and the room is told its number again, for what
-- it heard while Redis was away was not the whole.
-- Answers {count, peak, 1 if the room is to be told, 1 if they are in: 0 if the node was buried, 2 if the room is
-- over}.
local came, changed, state = ARGV[1] == '1', 0, 1 - redis.call('EXISTS', KEYS[5])
drop_stale(KEYS[3], KEYS[4])
if over(KEYS[3]) then
  redis.call('DEL', KEYS[4])
  state = 2
elseif state == 1 then
  for i = 2, #ARGV do
    if redis.call('SADD', KEYS[4], ARGV[i]) == 1 and redis.call('HINCRBY', KEYS[1], ARGV[i], 1) == 1 then
      changed = 1
    end
  end
  if not came then changed = 1 end
  if changed == 1 then change(KEYS[3]) end
end
local answer = census(KEYS[1], KEYS[2], changed, came)
answer[4] = state
return answer
"""
)

LEAVE = (
    _CENSUS
    + _NEWS
    + _TAKE_OUT
    + """
-- KEYS: presence, peak, news, whom the node holds here. ARGV: who.
-- Answers {count, peak, 1 if that was the person's last node, how many the node still holds here}.
local changed = 0
drop_stale(KEYS[3], KEYS[4])
if over(KEYS[3]) then
  redis.call('DEL', KEYS[4])
elseif redis.call('SREM', KEYS[4], ARGV[1]) == 1 then
  changed = take_out(KEYS[1], ARGV[1])
end
if changed == 1 then change(KEYS[3]) end
local answer = census(KEYS[1], KEYS[2], changed, false)
answer[4] = redis.call('SCARD', KEYS[4])
return answer
"""
)

BECOME = (
    _CENSUS
    + _NEWS
    + _TAKE_OUT
    + """
-- KEYS: presence, peak, news, whom the node holds here, whether it was buried.
-- ARGV: who they were, who they are, '1' when the node has another socket of who they were.
-- Answers {count, peak, 1 if the number changed, 1 if they are in: 0 if the node was buried, 2 if the room is over,
-- 1 if who they are is new over all nodes, 1 if that was the last node of who they were}.
local came, gone, state = 0, 0, 1 - redis.call('EXISTS', KEYS[5])
drop_stale(KEYS[3], KEYS[4])
if over(KEYS[3]) then
  redis.call('DEL', KEYS[4])
  state = 2
elseif state == 1 then
  if redis.call('SADD', KEYS[4], ARGV[2]) == 1 and redis.call('HINCRBY', KEYS[1], ARGV[2], 1) == 1 then came = 1 end
  if ARGV[3] ~= '1' and redis.call('SREM', KEYS[4], ARGV[1]) == 1 then gone = take_out(KEYS[1], ARGV[1]) end
  if came ~= gone then change(KEYS[3]) end
end
local answer = census(KEYS[1], KEYS[2], came ~= gone and 1 or 0, state == 1)
answer[4], answer[5], answer[6] = state, came, gone
return answer
"""
)

REAP = (
    _CENSUS
    + _NEWS
    + _TAKE_OUT
    + """
-- KEYS: presence, peak, news, whom the dead node holds here, its mark. ARGV: how many at most.
-- Answers {count, peak, 1 if the room is to be told, how many are left to take out}. What the dead node changed and did
-- not live to tell is to be told, too. The mark lives longer than any call that may still be on its way.
redis.call('SET', KEYS[5], 1, 'EX', 3600)
drop_stale(KEYS[3], KEYS[4])
if over(KEYS[3]) then
  redis.call('DEL', KEYS[4])
else
  local changed = 0
  for _, who in ipairs(redis.call('SPOP', KEYS[4], ARGV[1])) do
    if take_out(KEYS[1], who) == 1 then changed = 1 end
  end
  if changed == 1 then change(KEYS[3]) end
end
local answer = census(KEYS[1], KEYS[2], untold(KEYS[3]), false)
answer[4] = redis.call('SCARD', KEYS[4])
return answer
"""
)

CLOSE = (
    _CENSUS
    + _NEWS
    + """
-- KEYS: presence, peak, news; whom the node holds here. Answers {count, peak, 1 if the room is to be told}.
if KEYS[4] then redis.call('DEL', KEYS[4]) end
if not over(KEYS[3]) then
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[3], 'over', 1)
  redis.call('HINCRBY', KEYS[3], 'closed', 1)
  change(KEYS[3])
end
return census(KEYS[1], KEYS[2], untold(KEYS[3]), false)
"""
)

REOPEN = """
-- KEYS: news.
redis.call('HDEL', KEYS[1], 'over')
"""

TURN = (
    _CENSUS
    + _NEWS
    + """
-- KEYS: presence, peak, news. ARGV: ms between two turns, ms that the telling of a turn is waited for.
-- Answers {0} when everything was told; {1, ms} when it is worth asking again in so long; {2, count, peak, changes} to
-- who has the turn and tells the room. Only one tells at a time, or the older of two numbers might be heard last.
if untold(KEYS[3]) == 0 then return {0} end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local was = redis.call('HMGET', KEYS[3], 'changes', 'count', 'next', 'telling')
local answer = census(KEYS[1], KEYS[2], 0, false)
local wait = tonumber(was[3] or 0) - now
if wait > 0 and wait <= tonumber(ARGV[1]) then  -- more than that: the clock was set back, or is another server's
  local edge = (answer[1] == 0) ~= (tonumber(was[2] or 0) == 0)
  if not edge then return {1, wait} end
  if was[4] then return {1, math.min(wait, tonumber(ARGV[2]))} end
end
redis.call('HSET', KEYS[3], 'count', answer[1], 'next', now + ARGV[1], 'telling', was[1])
return {2, answer[1], answer[2], tonumber(was[1])}
"""
)

TOLD = (
    _NEWS
    + """
-- KEYS: news. ARGV: up to which change the room was told.
-- Answers 1 if it is to be told more: also when another node had the turn meanwhile, for this one was slow and may have
-- been heard after it.
if redis.call('HGET', KEYS[1], 'telling') == ARGV[1] then
  redis.call('HDEL', KEYS[1], 'telling')
  redis.call('HSET', KEYS[1], 'told', ARGV[1])
else
  change(KEYS[1])
end
return untold(KEYS[1])
"""
)
