-- include served

-- Stores a name with its rooms again before it is replaced, in case Redis lost it: when its lease ends, any node can
-- remove its people.
-- KEYS: nodes, the node's rooms, clock. ARGV: name, lease in ms, the most ms of a gap that count as served time, rooms.
local time = served(KEYS[3], ARGV[3])
redis.call('ZADD', KEYS[1], 'NX', time + ARGV[2], ARGV[1])
for i = 4, #ARGV do redis.call('SADD', KEYS[2], ARGV[i]) end
