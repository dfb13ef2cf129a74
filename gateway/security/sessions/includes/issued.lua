-- Returns the time of issue, in s, of a token that is signed now: by this server's clock, but later than the last
-- revocation of the user, which a former server may have dated by another clock. The next revocation will be later.
-- `revoked` is the key of the revocation of all tokens of the user.
local function issued(revoked)
  local moment = string.format('%d.%06d', time[1], time[2])
  local all = string.match(redis.call('GET', revoked) or '', '^%S+')
  if all and tonumber(all) >= tonumber(moment) then moment = string.format('%.6f', tonumber(all) + 0.000002) end
  return moment
end
