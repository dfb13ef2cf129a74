-- Counts a request in a sliding window.
-- KEYS: sorted set of the times of requests, in µs by this server's clock. ARGV: limit, window in µs.
-- Returns {1 if the request was counted, else 0; number of counted requests; µs until the oldest leaves the window}.
local limit, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - window)
local count = redis.call('ZCARD', KEYS[1])
local done = 0
if count < limit then
  -- The count makes members of the same microsecond distinct.
  redis.call('ZADD', KEYS[1], now, string.format('%.0f:%d', now, count))
  redis.call('PEXPIRE', KEYS[1], math.ceil(window / 1000))
  done, count = 1, count + 1
end
local oldest = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
return {done, count, tonumber(oldest[2]) + window - now}
