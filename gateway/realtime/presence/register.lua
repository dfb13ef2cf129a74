-- include served

-- Lists rooms of a node. KEYS: nodes, the node's rooms, clock.
-- ARGV: name, the most ms of a gap that count as served time, rooms. Returns 1 while the lease is valid, else 0.
if tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or 0) <= served(KEYS[3], ARGV[2]) then return 0 end
redis.call('SADD', KEYS[2], unpack(ARGV, 3))
return 1
