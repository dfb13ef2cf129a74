-- Counts requests in sliding windows, one for each key.
-- KEYS: lists of the times of counted requests, in µs by this server's clock, oldest first.
-- ARGV: for each run of keys that have the same limit: the number of keys, the limit, and the window in µs.
-- Returns three values for each key: 1 if the request was counted, else 0; the number of counted requests; µs until the
-- oldest leaves the window. If a key fails, its first value is the text of the error; the other keys are counted.
local call = redis.call
local time = call('TIME')
local now = time[1] * 1000000 + time[2]
local moment = string.format('%.0f', now)

local function charge(key, limit, window)
  local oldest = tonumber(call('LINDEX', key, 0))
  while oldest and oldest <= now - window do
    call('LPOP', key)
    oldest = tonumber(call('LINDEX', key, 0))
  end
  local count = oldest and call('LLEN', key) or 0
  local left = (oldest or now) + window - now
  if count >= limit then
    return 0, count, left
  end
  call('RPUSH', key, moment)
  call('PEXPIRE', key, math.ceil(window / 1000))
  return 1, count + 1, left
end

local answers, index = {}, 0
for run = 1, #ARGV, 3 do
  local limit, window = tonumber(ARGV[run + 1]), tonumber(ARGV[run + 2])
  for _ = 1, tonumber(ARGV[run]) do
    index = index + 1
    local ok, done, count, left = pcall(charge, KEYS[index], limit, window)
    if not ok then
      done, count, left = type(done) == 'table' and done['err'] or tostring(done), 0, 0
    end
    answers[3 * index - 2], answers[3 * index - 1], answers[3 * index] = done, count, left
  end
end
return answers
