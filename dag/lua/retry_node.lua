-- include: clock, node, unlock, agent, finish, resume
-- Retry one FAILED node (in a rollback: its undoing). In a task that has ended it waits for the task's hosts.
-- KEYS 1 task, 2 status, 3 nodes, 4 due, 5 ready, 6 facts, 7 log, 8 holders, 9 waiting, 10 agents, 11 cancels, 12 listed,
--      13 changes, 14 outbox, 15 admission
-- ARGV 1 task id, 2 this call's own name: its span, if it has one, 3 offset
-- Answer: 'done'; the letter as met where that does not allow it ('' where there is no such node).
local keys = {task = KEYS[1], status = KEYS[2], nodes = KEYS[3], due = KEYS[4], ready = KEYS[5], facts = KEYS[6],
              log = KEYS[7], holders = KEYS[8], waiting = KEYS[9], agents = KEYS[10], cancels = KEYS[11],
              listed = KEYS[12], changes = KEYS[13], outbox = KEYS[14], admission = KEYS[15]}
if is_repeated(keys, ARGV[2]) then return 'done' end
local letter = letter_of(KEYS[2], ARGV[3])
if letter ~= 'F' then return letter end
local task = redis.call('HMGET', KEYS[1], 'status', 'operation')
if task[1] ~= 'RUNNING' then
  await_hosts(keys)
  if task[2] ~= 'ROLLBACK' then redis.call('HSET', KEYS[1], 'operation', 'RETRY') end
  resume(keys, ARGV[1], ARGV[2])
end
redis.call('HSET', KEYS[1], 'call', ARGV[2])
redis.call('HINCRBY', KEYS[1], 'failed', -1)
redis.call('HINCRBY', KEYS[1], 'open', 1)
make_ready(keys, ARGV[1], tonumber(ARGV[3]), 1, ARGV[2])
return 'done'
