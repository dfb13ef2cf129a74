-- KEYS[1]: sorted set, the moments (µs of this server's clock) of what was done in the window.
-- ARGV: the limit, the window in µs. Answers {done: 1 or 0, how many are counted, µs until the oldest leaves}.
local limit, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - window)
local count = redis.call('ZCARD', KEYS[1])
local done = 0
if count < limit then
  -- The count keeps two of one microsecond apart.
  redis.call('ZADD', KEYS[1], now, string.format('%.0f:%d', now, count))
  redis.call('PEXPIRE', KEYS[1], math.ceil(window / 1000))
  done, count = 1, count + 1
end
local oldest = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
return {done, count, tonumber(oldest[2]) + window - now}
