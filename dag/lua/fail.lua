-- include: clock, node, unlock, agent, finish
-- A run failed: record it with its log; the task ends FAILED once nothing of it is open.
-- KEYS 1 task, 2 status, 3 nodes, 4 due, 5 ready, 6 facts, 7 log, 8 holders, 9 waiting, 10 agents, 11 cancels, 12 listed,
--      13 changes, 14 outbox
-- ARGV 1 task id, 2 offset, 3 attempt, 4 host id or '', 5 index of the host, 6 log, 7 facts, 8 agent,
--      9 retention (s), 10 now (ms or '')
-- Answer: 1; 0 where this attempt does not hold the node (any more).
local id, offset = ARGV[1], ARGV[2]
local letter, node = letter_of(KEYS[2], offset), read_node(KEYS[3], offset)
if (letter ~= 'X' and letter ~= 'C') or node.attempt ~= tonumber(ARGV[3]) then return 0 end
local keys = {task = KEYS[1], status = KEYS[2], nodes = KEYS[3], due = KEYS[4], ready = KEYS[5], facts = KEYS[6],
              log = KEYS[7], holders = KEYS[8], waiting = KEYS[9], agents = KEYS[10], cancels = KEYS[11],
              listed = KEYS[12], changes = KEYS[13], outbox = KEYS[14]}
local report = {host = ARGV[4], index = ARGV[5], log = ARGV[6], facts = ARGV[7], agent = ARGV[8]}
fail_node(keys, id, offset, node, clock(ARGV[10]), report, ARGV[9])
return 1
