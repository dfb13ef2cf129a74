-- include served

-- Sends a heartbeat.
-- KEYS: nodes, the node's rooms, clock.
-- ARGV: name, lease in ms, the most ms of a gap that count as served time, '1' if the name is new.
-- Returns {1 while the lease is valid, else 0; number of listed rooms; names whose lease has ended}.
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
