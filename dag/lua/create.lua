-- include: clock, node, unlock, finish
-- Create a task: all of it or nothing. Its hosts get their tickets from admit.lua, task after task.
-- KEYS 1 task, 2 status, 3 index, 4 admission, 5 listed, 6 creators, 7 changes
-- ARGV 1 task id, 2 number of nodes, 3 now (ms or ''), 4.. field, value, ... of the task's hash
-- Answer: 1; 0 where a task of this id exists.
local now = clock(ARGV[3])
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('HSET', KEYS[1], 'created', digits(now), 'started', digits(now), 'status', 'RUNNING', unpack(ARGV, 4))
redis.call('SET', KEYS[2], string.rep('P', tonumber(ARGV[2])))
redis.call('ZADD', KEYS[3], ARGV[1], ARGV[1])
local task = redis.call('HMGET', KEYS[1], 'name', 'creator')
redis.call('ZADD', KEYS[5], 0, listed_as('status', 'RUNNING', ARGV[1]), 0, listed_as('name', task[1], ARGV[1]))
redis.call('SADD', KEYS[6], task[2])
note_change({task = KEYS[1], changes = KEYS[7]}, '=')
redis.call('RPUSH', KEYS[4], ARGV[1])
return 1
