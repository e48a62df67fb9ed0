-- include: clock, node, resume
-- Cancel a RUNNING node: its worker hears of it when it renews the lease, ends the remote command and reports a failure.
-- KEYS 1 task, 2 status, 3 nodes, 4 cancels, 5 changes
-- ARGV 1 task id, 2 this call's own name, 3 offset, 4 who cancels
-- Answer: 'done'; the letter as met where that does not allow it ('' where there is no such node).
if is_repeated({task = KEYS[1]}, ARGV[2]) then return 'done' end
local letter, node = letter_of(KEYS[2], ARGV[3]), read_node(KEYS[3], ARGV[3])
if letter ~= 'X' then return letter end
node.operation = 'CANCEL'
write_node(KEYS[3], ARGV[3], node)
set_letter({task = KEYS[1], status = KEYS[2], changes = KEYS[5]}, ARGV[3], 'C')
redis.call('HSET', KEYS[4], run_name(ARGV[1], ARGV[3], node.attempt), ARGV[4])
redis.call('HSET', KEYS[1], 'call', ARGV[2])
return 'done'
