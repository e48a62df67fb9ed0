-- include: clock, node, unlock, agent, finish, admission
-- Give some hosts of the oldest unadmitted task their tickets; a host that is free lets its first node be READY.
-- Only the head of the admission list is served: one order of tasks for all hosts, so no two can wait for each other.
-- KEYS 1 task, 2 status, 3 ready, 4 admission, 5 holders, 6 waiting, 7 tickets, 8 listed, 9 changes
-- ARGV 1 task id, 2 index of the first host, 3 1 where these are the last, 4.. host ids
-- Answer: 1 done; 0 where the task is not at the head or is elsewhere than at that index (someone else went on).
local id, from = ARGV[1], tonumber(ARGV[2])
if redis.call('LINDEX', KEYS[4], 0) ~= id then return 0 end
if tonumber(redis.call('HGET', KEYS[1], 'admitted')) ~= from then return 0 end
local keys = {task = KEYS[1], status = KEYS[2], ready = KEYS[3], changes = KEYS[9]}
keys.holders, keys.waiting, keys.tickets, keys.listed = KEYS[5], KEYS[6], KEYS[7], KEYS[8]
admit_hosts(keys, id, from, {unpack(ARGV, 4)})
if ARGV[3] == '1' then redis.call('LPOP', KEYS[4]) end
return 1
