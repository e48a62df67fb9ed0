-- include: clock, node, unlock, agent, finish, resume
-- Skip a FAILED node: it counts as SUCCESSFUL (in a rollback as undone) and unlocks what follows. A task that has ended
-- goes on where that is something, once it has its hosts again.
-- KEYS 1 task, 2 status, 3 nodes, 4 due, 5 ready, 6 facts, 7 log, 8 holders, 9 waiting, 10 agents, 11 cancels, 12 listed,
--      13 changes, 14 outbox, 15 admission
-- ARGV 1 task id, 2 this call's own name: its span, if it has one, 3 offset, 4 host id or '', 5 log, 6 now (ms or '')
-- Answer: 'done'; the letter as met where that does not allow it ('' where there is no such node).
local keys = {task = KEYS[1], status = KEYS[2], nodes = KEYS[3], due = KEYS[4], ready = KEYS[5], facts = KEYS[6],
              log = KEYS[7], holders = KEYS[8], waiting = KEYS[9], agents = KEYS[10], cancels = KEYS[11],
              listed = KEYS[12], changes = KEYS[13], outbox = KEYS[14], admission = KEYS[15]}
local id, offset = ARGV[1], ARGV[3]
if is_repeated(keys, ARGV[2]) then return 'done' end
local letter, node = letter_of(KEYS[2], offset), read_node(KEYS[3], offset)
if letter ~= 'F' then return letter end
local now, task = clock(ARGV[6]), redis.call('HMGET', KEYS[1], 'status', 'operation')
local has_ended, is_rollback = task[1] ~= 'RUNNING', task[2] == 'ROLLBACK'
if has_ended then await_hosts(keys) end
node.operation, node.finished = is_rollback and 'ROLLBACK_SKIP' or 'SKIP', digits(now)
write_node(KEYS[3], offset, node)
set_letter(keys, offset, is_rollback and 'P' or 'S')
local run = offset .. ':' .. digits(node.attempt)
redis.call('HSET', KEYS[7], run, (redis.call('HGET', KEYS[7], run) or '') .. ARGV[5])
redis.call('HSET', KEYS[1], 'call', ARGV[2])
local failed = redis.call('HINCRBY', KEYS[1], 'failed', -1)
pass_node(keys, id, offset, ARGV[4], now, '')
if has_ended then
  if tonumber(redis.call('HGET', KEYS[1], 'open')) > 0 then
    resume(keys, id, ARGV[2])
  else
    redis.call('HDEL', KEYS[1], 'wants')
    if failed == 0 then end_task(keys, id, now, '') else expire_changes(keys) end
  end
end
return 'done'
