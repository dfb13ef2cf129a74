local function census(presence, peak, changed, record)
  local count, most = redis.call('HLEN', presence), tonumber(redis.call('GET', peak) or 0)
  if record and count > most then
    redis.call('SET', peak, count, 'EX', 604800)  -- a week
  end
  return {count, math.max(count, most), changed}
end
