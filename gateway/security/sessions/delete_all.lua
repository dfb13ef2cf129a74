-- Deletes the sessions of a user except one; returns their ids.
-- KEYS: sessions of the user. ARGV: prefix of a session's key, session id to keep.
local ended = {}
for _, id in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  if id ~= ARGV[2] then
    redis.call('DEL', ARGV[1] .. id, ARGV[1] .. id .. ':spent', ARGV[1] .. id .. ':salt')
    redis.call('ZREM', KEYS[1], id)
    ended[#ended + 1] = id
  end
end
return ended
