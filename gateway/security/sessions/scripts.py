"""What Redis does with sessions in one step each. Run by refresh_tokens.py, which says what the parts mean.

Everything of one user shares a hash tag, so the scripts may derive the keys of further sessions from a prefix.
"""

from typing import Final

_NOW: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
"""

# When a token that is signed now was issued, in s: by this server's clock, and later than all that was revoked of its
# user, even if that was by the clock of a server that this one has replaced. The next revocation is later than that.
# `revoked` is the key of the moment up to which all was revoked.
_ISSUED: Final = """
local function issued(revoked)
  local moment = string.format('%d.%06d', time[1], time[2])
  local all = string.match(redis.call('GET', revoked) or '', '^%S+')
  if all and tonumber(all) >= tonumber(moment) then moment = string.format('%.6f', tonumber(all) + 0.000002) end
  return moment
end
"""

# KEYS: session, sessions of the user, moment up to which all was revoked
# ARGV: hash, device, ttl ms, session id, how many sessions, prefix of a session's key
SAVE: Final = (
    _NOW
    + _ISSUED
    + """
redis.call('HSET', KEYS[1], 'current', ARGV[1], 'device', ARGV[2], 'created', now, 'used', now)
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
redis.call('ZADD', KEYS[2], now + ARGV[3], ARGV[4])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
for _, old in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1 - ARGV[5])) do
  redis.call('DEL', ARGV[6] .. old, ARGV[6] .. old .. ':spent', ARGV[6] .. old .. ':salt')
  redis.call('ZREM', KEYS[2], old)
end
return issued(KEYS[3])
"""
)

# KEYS: session, spent, salt, sessions of the user, moment up to which all was revoked
# ARGV: hash, hash of the successor, salt, ttl ms, grace ms, session id
# A thousand spent hashes are more than a session makes in seven days of a refresh every fifteen minutes.
ROTATE: Final = (
    _NOW
    + _ISSUED
    + """
local kept = redis.call('HMGET', KEYS[1], 'current', 'previous')
if not kept[1] then return {'unknown', '', '0'} end
if kept[1] == ARGV[1] then
  redis.call('HSET', KEYS[1], 'current', ARGV[2], 'previous', ARGV[1], 'used', now)
  redis.call('LPUSH', KEYS[2], ARGV[1])
  redis.call('LTRIM', KEYS[2], 0, 999)
  redis.call('SET', KEYS[3], ARGV[3], 'PX', ARGV[5])
  redis.call('ZADD', KEYS[4], now + ARGV[4], ARGV[6])
  for _, key in ipairs({KEYS[1], KEYS[2], KEYS[4]}) do redis.call('PEXPIRE', key, ARGV[4]) end
  return {'rotated', ARGV[3], issued(KEYS[5])}
end
if kept[2] == ARGV[1] then
  local salt = redis.call('GET', KEYS[3])
  if salt then return {'rotated', salt, issued(KEYS[5])} end
end
if redis.call('LPOS', KEYS[2], ARGV[1]) then
  redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
  redis.call('ZREM', KEYS[4], ARGV[6])
  return {'replayed', '', '0'}
end
return {'unknown', '', '0'}
"""
)

# KEYS: session, spent, salt, sessions of the user · ARGV: session id
DELETE: Final = """
redis.call('ZREM', KEYS[4], ARGV[1])
local existed = redis.call('DEL', KEYS[1])
redis.call('DEL', KEYS[2], KEYS[3])
return existed
"""

# KEYS: sessions of the user · ARGV: prefix of a session's key, session id to keep
DELETE_ALL: Final = """
local ended = {}
for _, id in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  if id ~= ARGV[2] then
    redis.call('DEL', ARGV[1] .. id, ARGV[1] .. id .. ':spent', ARGV[1] .. id .. ':salt')
    redis.call('ZREM', KEYS[1], id)
    ended[#ended + 1] = id
  end
end
return ended
"""

# KEYS: session, spent, salt, sessions of the user · ARGV: ttl ms, session id
TOUCH: Final = (
    _NOW
    + """
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], 'used', now)
redis.call('ZADD', KEYS[4], now + ARGV[1], ARGV[2])
for _, key in ipairs({KEYS[1], KEYS[2], KEYS[4]}) do redis.call('PEXPIRE', key, ARGV[1]) end
return 1
"""
)

# KEYS: session, spent, salt, sessions of the user
# ARGV: session id, hash, device, created, used, ms it has left, ttl ms, salt, ms the salt has left, spent hashes
RESTORE: Final = (
    _NOW
    + """
if tonumber(redis.call('HGET', KEYS[1], 'used') or 0) >= tonumber(ARGV[5]) then return 0 end
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
redis.call('HSET', KEYS[1], 'current', ARGV[2], 'device', ARGV[3], 'created', ARGV[4], 'used', ARGV[5])
if #ARGV > 9 then
  redis.call('HSET', KEYS[1], 'previous', ARGV[#ARGV])
  for i = 10, #ARGV do redis.call('LPUSH', KEYS[2], ARGV[i]) end
  redis.call('PEXPIRE', KEYS[2], ARGV[6])
  if tonumber(ARGV[9]) > 0 then redis.call('SET', KEYS[3], ARGV[8], 'PX', ARGV[9]) end
end
redis.call('PEXPIRE', KEYS[1], ARGV[6])
redis.call('ZADD', KEYS[4], now + ARGV[6], ARGV[1])
redis.call('PEXPIRE', KEYS[4], ARGV[7])
return 1
"""
)
