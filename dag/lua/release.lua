-- include: clock, node, finish
-- Free those of the given hosts that an ended task still holds.
-- KEYS 1 ready, 2 holders, 3 waiting
-- ARGV 1 task id, 2.. host ids
-- Answer: 1.
local keys = {ready = KEYS[1], holders = KEYS[2], waiting = KEYS[3]}
for place = 2, #ARGV do release_host(keys, ARGV[1], ARGV[place]) end
return 1
