-- include served

-- Lists a room of a node. KEYS: nodes, the node's rooms, clock.
-- ARGV: name, room, the most ms of a gap that count as served time. Returns 1 while the lease is valid, else 0.
if tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or 0) <= served(KEYS[3], ARGV[3]) then return 0 end
redis.call('SADD', KEYS[2], ARGV[2])
return 1
