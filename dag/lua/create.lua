-- include: clock, node, unlock, agent, finish, queue
-- Create a task: all of it or nothing. Its hosts get their tickets from admit.lua, task after task; a task that must not
-- wait takes its one host here, or is not made. A claim that is held gives the task that was made under it.
-- KEYS 1 task, 2 status, 3 index, 4 admission, 5 listed, 6 creators, 7 ready, 8 holders, 9 waiting, 10 changes,
--      11 claim (if any)
-- ARGV 1 task id, 2 number of nodes, 3 now (ms or ''), 4 content of the claim, 5 for how long it holds (s), 6 host to be
--      taken at once or '', 7.. field, value, ... of the task's hash
-- Answer: {'made'}, also where a task of this id exists; {'claimed', task, content}; {'busy', task that has the host}.
local id, host, now = ARGV[1], ARGV[6], clock(ARGV[3])
if redis.call('EXISTS', KEYS[1]) == 1 then return {'made'} end
local held = KEYS[11] and redis.call('GET', KEYS[11])
if held then return {'claimed', string.match(held, '^(%d+) (.*)$')} end
if host ~= '' and redis.call('HSETNX', KEYS[8], host, id) == 0 then
  local holder = redis.call('HGET', KEYS[8], host)
  return {'busy', holder == '-' and first_task(KEYS[9], host) or holder}
end
if KEYS[11] then redis.call('SET', KEYS[11], id .. ' ' .. ARGV[4], 'EX', ARGV[5]) end
redis.call('HSET', KEYS[1], 'created', digits(now), 'started', digits(now), 'status', 'RUNNING', unpack(ARGV, 7))
redis.call('SET', KEYS[2], string.rep('P', tonumber(ARGV[2])))
redis.call('ZADD', KEYS[3], id, id)
local task = redis.call('HMGET', KEYS[1], 'name', 'creator')
redis.call('ZADD', KEYS[5], 0, listed_as('status', 'RUNNING', id), 0, listed_as('name', task[1], id))
redis.call('SADD', KEYS[6], task[2])
local keys = {task = KEYS[1], status = KEYS[2], ready = KEYS[7], changes = KEYS[10]}
note_change(keys, '=')
if host == '' then
  redis.call('RPUSH', KEYS[4], id)
else
  redis.call('ZADD', KEYS[5], 0, listed_as('host', host, id))
  redis.call('HSET', KEYS[1], 'admitted', 1)
  make_ready(keys, id, 0, 1)
end
return {'made'}
