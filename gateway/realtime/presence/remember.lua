-- include served

-- KEYS: nodes, the node's rooms, clock. ARGV: name, lease in ms, the most ms of a silence that count, rooms.
-- What Redis may have lost of a name that is to be given up: whoever finds its lease over takes out whom it holds.
local time = served(KEYS[3], ARGV[3])
redis.call('ZADD', KEYS[1], 'NX', time + ARGV[2], ARGV[1])
for i = 4, #ARGV do redis.call('SADD', KEYS[2], ARGV[i]) end
