-- include: clock, node, unlock, agent, finish, resume
-- Withdraw a READY node that nobody has begun: it is FAILED, so whoever is told so can rely on it.
-- KEYS 1 task, 2 status, 3 nodes, 4 due, 5 ready, 6 facts, 7 log, 8 holders, 9 waiting, 10 agents, 11 cancels, 12 listed,
--      13 changes, 14 outbox, 15 admission (not touched)
-- ARGV 1 task id, 2 this call's own name, 3 offset, 4 log, 5 now (ms or '')
-- Answer: 'done'; the letter as met where it has begun, or was lost on its way.
local keys = {task = KEYS[1], status = KEYS[2], nodes = KEYS[3], due = KEYS[4], ready = KEYS[5], facts = KEYS[6],
              log = KEYS[7], holders = KEYS[8], waiting = KEYS[9], agents = KEYS[10], cancels = KEYS[11],
              listed = KEYS[12], changes = KEYS[13], outbox = KEYS[14]}
if is_repeated(keys, ARGV[2]) then return 'done' end
local letter = letter_of(KEYS[2], ARGV[3])
if letter ~= 'R' or redis.call('HEXISTS', KEYS[3], ARGV[3]) == 1 then return letter end
redis.call('HSET', KEYS[1], 'call', ARGV[2])
fail_node(keys, ARGV[1], ARGV[3], read_node(KEYS[3], ARGV[3]), clock(ARGV[5]), {log = ARGV[4], facts = '', agent = ''}, '')
return 'done'
