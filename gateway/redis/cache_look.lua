-- Reads an entry, and takes the lease to load it if it is missing or expires soon.
-- KEYS: entry, lease. ARGV: token, ms of a lease, remaining lifetime in ms below which an entry is refreshed.
-- Returns {the entry or nil, 1 if the lease was taken}.
local entry = redis.call('GET', KEYS[1])
if entry and redis.call('PTTL', KEYS[1]) > tonumber(ARGV[3]) then return {entry, 0} end
return {entry, redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) and 1 or 0}
