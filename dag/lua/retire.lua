-- Take consumers of schedulers that are long gone out of the group. In a script, so that none can read in between: what a
-- consumer has read and not done would be lost with it.
-- KEYS 1 ready
-- ARGV 1 group, 2 ms for which a consumer must have been silent
-- Answer: the names of those that are out.
local gone = {}
for _, row in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local consumer = {}
  for at = 1, #row, 2 do consumer[row[at]] = row[at + 1] end
  if consumer.pending == 0 and consumer.idle > tonumber(ARGV[2]) then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], consumer.name)
    gone[#gone + 1] = consumer.name
  end
end
return gone
