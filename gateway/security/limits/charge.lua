-- Counts requests in sliding windows, each for itself.
-- KEYS: sorted sets of the times of requests, in µs by this server's clock. ARGV: for each key a limit, a window in µs.
-- Returns for each key {1 if the request was counted, else 0; number of counted requests; µs until the oldest leaves the
-- window}, or the error, which keeps no other from being counted.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

local function charge(key, limit, window)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now - window)
  local count = redis.call('ZCARD', key)
  local done = 0
  if count < limit then
    -- The count makes members of the same microsecond distinct.
    redis.call('ZADD', key, now, string.format('%.0f:%d', now, count))
    redis.call('PEXPIRE', key, math.ceil(window / 1000))
    done, count = 1, count + 1
  end
  local oldest = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')
  return {done, count, tonumber(oldest[2]) + window - now}
end

local answers = {}
for i, key in ipairs(KEYS) do
  local done, answer = pcall(charge, key, tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i]))
  answers[i] = done and answer or (type(answer) == 'table' and answer['err'] or tostring(answer))
end
return answers
