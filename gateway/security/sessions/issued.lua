-- When a token that is signed now was issued, in s: by this server's clock, and later than all that was revoked of its
-- user, even if that was by the clock of a server that this one has replaced. The next revocation is later than that.
-- `revoked` is the key of the moment up to which all was revoked.
local function issued(revoked)
  local moment = string.format('%d.%06d', time[1], time[2])
  local all = string.match(redis.call('GET', revoked) or '', '^%S+')
  if all and tonumber(all) >= tonumber(moment) then moment = string.format('%.6f', tonumber(all) + 0.000002) end
  return moment
end
