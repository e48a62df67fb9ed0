-- include: clock, node, unlock, agent, finish, queue, admission
-- Create a task: all of it or nothing. The hosts of a small one get their tickets here if no other task waits for its
-- own; else they get them from admit.lua, task after task. A task that must not wait takes its one host here, or is not
-- made. A claim that is held gives the task that was made under it.
-- KEYS 1 task, 2 status, 3 index, 4 admission, 5 listed, 6 creators, 7 ready, 8 holders, 9 waiting, 10 changes,
--      11 tickets, 12 claim (if any)
-- ARGV 1 task id, 2 number of nodes, 3 now (ms or ''), 4 content of the claim, 5 for how long it holds (s), 6 host to be
--      taken at once or '', 7 1 where it is small, 8.. field, value, ... of the task's hash
-- Answer: {'admitted'}; {'made'} where its hosts have no tickets yet, or a task of this id existed; {'claimed', task,
-- content}; {'busy', task that has the host}.
local id, host, now = ARGV[1], ARGV[6], clock(ARGV[3])
if redis.call('EXISTS', KEYS[1]) == 1 then return {'made'} end
local held = KEYS[12] and redis.call('GET', KEYS[12])
if held then return {'claimed', string.match(held, '^(%d+) (.*)$')} end
if host ~= '' and redis.call('HSETNX', KEYS[8], host, id) == 0 then
  local holder = redis.call('HGET', KEYS[8], host)
  return {'busy', holder == '-' and first_task(KEYS[9], host) or holder}
end
if KEYS[12] then redis.call('SET', KEYS[12], id .. ' ' .. ARGV[4], 'EX', ARGV[5]) end
redis.call('HSET', KEYS[1], 'created', digits(now), 'started', digits(now), 'status', 'RUNNING', unpack(ARGV, 8))
redis.call('SET', KEYS[2], string.rep('P', tonumber(ARGV[2])))
redis.call('ZADD', KEYS[3], id, id)
local task = redis.call('HMGET', KEYS[1], 'name', 'creator', 'hosts')
redis.call('ZADD', KEYS[5], 0, listed_as('status', 'RUNNING', id), 0, listed_as('name', task[1], id))
redis.call('SADD', KEYS[6], task[2])
local keys = {task = KEYS[1], status = KEYS[2], ready = KEYS[7], changes = KEYS[10]}
keys.holders, keys.waiting, keys.tickets, keys.listed = KEYS[8], KEYS[9], KEYS[11], KEYS[5]
note_change(keys, '=')
if host ~= '' then
  redis.call('ZADD', KEYS[5], 0, listed_as('host', host, id))
  redis.call('HSET', KEYS[1], 'admitted', 1)
  make_ready(keys, id, 0, 1)
elseif ARGV[7] == '1' and redis.call('EXISTS', KEYS[4]) == 0 then
  local hosts = {}
  for one in string.gmatch(task[3], '%d+') do hosts[#hosts + 1] = one end
  admit_hosts(keys, id, 0, hosts)
else
  redis.call('RPUSH', KEYS[4], id)
  return {'made'}
end
return {'admitted'}
