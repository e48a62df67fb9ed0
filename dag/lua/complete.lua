-- include: clock, node, unlock, finish
-- A run succeeded: record it, unlock what hangs on it, free the host after its last stage, end the task after the last.
-- KEYS 1 task, 2 status, 3 nodes, 4 due, 5 ready, 6 facts, 7 log, 8 holders, 9 waiting, 10 agents
-- ARGV 1 task id, 2 offset, 3 attempt, 4 host id or '', 5 index of the host, 6 log, 7 facts, 8 agent,
--      9 retention (s), 10 now (ms or '')
-- Answer: 1; 0 where this attempt does not hold the node (any more).
local id, offset = ARGV[1], ARGV[2]
local node = read_node(KEYS[3], offset)
if letter_of(KEYS[2], offset) ~= 'X' or node.attempt ~= tonumber(ARGV[3]) then return 0 end
local now = clock(ARGV[10])
local keys = {task = KEYS[1], status = KEYS[2], nodes = KEYS[3], due = KEYS[4], ready = KEYS[5], facts = KEYS[6],
              log = KEYS[7], holders = KEYS[8], waiting = KEYS[9], agents = KEYS[10]}
local report = {host = ARGV[4], index = ARGV[5], log = ARGV[6], facts = ARGV[7], agent = ARGV[8]}
record_end(keys, id, offset, node, 'S', now, report)
local task = redis.call('HMGET', KEYS[1], 'shape', 'width')
local shape, width = task[1], tonumber(task[2])
unlock(keys, id, shape, width, tonumber(offset), now)
local is_last = place(shape, width, tonumber(offset)) == #shape - 1
if is_last and string.sub(shape, -1) == 'h' and report.host ~= '' then
  release_host(keys, id, report.host)
end
end_task(keys, id, now, ARGV[9])
return 1
