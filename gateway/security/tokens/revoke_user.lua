-- Revokes the tokens of a user that were issued until now, except those of one session.
-- KEYS: the user's entry. ARGV: session to keep, ms to live. Returns the entry.
-- The value is "<time> <sid> <time>": tokens issued up to the first time are revoked, those of the session `sid` only up
-- to the second one, which applied to them before. Both are times of Redis' clock, like the time of issue of tokens. The
-- first never decreases, even if a server with another clock takes over.
local time = redis.call('TIME')
local moment, kept, own = string.format('%d.%06d', time[1], time[2]), ARGV[1], '0'
local old = redis.call('GET', KEYS[1])
if old then
  local all, sid, its = string.match(old, '^(%S+) (%S+) (%S+)$')
  own = (sid == kept) and its or all
  if tonumber(all) >= tonumber(moment) then moment = string.format('%.6f', tonumber(all) + 0.000004) end
end
local entry = moment .. ' ' .. kept .. ' ' .. own
redis.call('SET', KEYS[1], entry, 'PX', ARGV[2])
return entry
