-- include count_in

-- KEYS: presence, news, whom the node holds here.
-- Forgets the count and whom the node holds, who are to enter again. The other nodes count theirs in at their next call.
if not over(KEYS[2]) then
  drop(KEYS[2], KEYS[3])
  begin_count(KEYS[1], KEYS[2])
  change(KEYS[2])
end
