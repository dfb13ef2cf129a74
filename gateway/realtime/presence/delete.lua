-- Deletes a name whose people were removed from all rooms.
-- KEYS: nodes, the node's rooms. ARGV: name.
redis.call('DEL', KEYS[2])
redis.call('ZREM', KEYS[1], ARGV[1])
