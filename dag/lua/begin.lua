-- include: clock, node
-- A worker begins a node: READY to RUNNING under a lease, only with the newest attempt. A worker that asks again for what
-- it has begun (its first answer was lost with the connection) gets it again, under a new token.
-- KEYS 1 status, 2 nodes, 3 due, 4 tokens, 5 facts, 6 task, 7 changes, 8 hosts
-- ARGV 1 task id, 2 offset, 3 attempt, 4 executor, 5 lease (ms), 6 index of the host, 7 now (ms or ''),
--      8 host id or ''
-- Answer: {token, facts or '', operation, parameters or '', the host's record or ''}; {0, letter, ''} where refused.
local id, offset = ARGV[1], ARGV[2]
local letter, node = letter_of(KEYS[1], offset), read_node(KEYS[2], offset)
local again = letter == 'X' and node.executor == ARGV[4]
local fits = again or (letter == 'R' and not is_ended(node))
if node.attempt ~= tonumber(ARGV[3]) or not fits then return {0, letter, ''} end
local now = clock(ARGV[7])
-- At least the time: a store that lost its counter must not give out tokens that hosts have seen newer ones of.
local token = math.max(tonumber(redis.call('GET', KEYS[4]) or '0') + 1, now)
redis.call('SET', KEYS[4], digits(token))
node.started, node.finished, node.token, node.executor = digits(now), '', digits(token), ARGV[4]
write_node(KEYS[2], offset, node)
set_letter({task = KEYS[6], status = KEYS[1], changes = KEYS[7]}, offset, 'X')
redis.call('ZADD', KEYS[3], digits(now + tonumber(ARGV[5])), run_name(id, offset, node.attempt))
return {token, redis.call('HGET', KEYS[5], ARGV[6]) or '', node.operation, redis.call('HGET', KEYS[6], 'parameters') or '',
        redis.call('HGET', KEYS[8], ARGV[8]) or ''}
