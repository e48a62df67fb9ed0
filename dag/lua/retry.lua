-- include: clock, node, unlock, agent, finish, resume
-- Retry a task that FAILED on its way forwards: all its FAILED nodes are to run again once it has its hosts.
-- KEYS 1 task, 2 status, 3 nodes, 4 due, 5 ready, 6 facts, 7 log, 8 holders, 9 waiting, 10 agents, 11 cancels, 12 listed,
--      13 changes, 14 outbox, 15 admission
-- ARGV 1 task id, 2 this call's own name: its span, if it has one
-- Answer: {'done'}; {status, operation} as met where that does not allow it.
local keys = {task = KEYS[1], status = KEYS[2], nodes = KEYS[3], due = KEYS[4], ready = KEYS[5], facts = KEYS[6],
              log = KEYS[7], holders = KEYS[8], waiting = KEYS[9], agents = KEYS[10], cancels = KEYS[11],
              listed = KEYS[12], changes = KEYS[13], outbox = KEYS[14], admission = KEYS[15]}
if is_repeated(keys, ARGV[2]) then return {'done'} end
local task = redis.call('HMGET', KEYS[1], 'status', 'operation')
if task[1] ~= 'FAILED' or task[2] == 'ROLLBACK' then return task end
await_hosts(keys)
local _, count = replace_letters(keys, 'F', 'W')
redis.call('HSET', KEYS[1], 'operation', 'RETRY', 'failed', 0, 'open', count, 'call', ARGV[2])
resume(keys, ARGV[1], ARGV[2])
return {'done'}
