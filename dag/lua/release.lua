-- include: clock, node, unlock, agent, finish
-- Free those of the given hosts that an ended task still holds; after the last its record may expire.
-- KEYS 1 task, 2 status, 3 nodes, 4 facts, 5 log, 6 ready, 7 holders, 8 waiting
-- ARGV 1 task id, 2 retention (s) where these are the last hosts, else '', 3.. host ids
-- Answer: 1; 0 where the task goes on (somebody has asked it to since): it keeps its hosts.
if redis.call('HGET', KEYS[1], 'status') == 'RUNNING' then return 0 end
local keys = {ready = KEYS[6], holders = KEYS[7], waiting = KEYS[8]}
for place = 3, #ARGV do release_host(keys, ARGV[1], ARGV[place]) end
if ARGV[2] ~= '' then
  for key = 1, 5 do redis.call('EXPIRE', KEYS[key], ARGV[2]) end
end
return 1
