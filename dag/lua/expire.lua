-- include: clock, node, unlock, agent, finish
-- A lease ran out, or a dispatch was never begun: READY again with the next attempt, or FAILED after too many of them.
-- A lease that was still renewed when the time limit was long over is no lost worker but a stuck one: FAILED at once.
-- What the lost run had logged stays.
-- KEYS 1 task, 2 status, 3 nodes, 4 due, 5 ready, 6 facts, 7 log, 8 holders, 9 waiting, 10 agents, 11 cancels, 12 listed,
--      13 changes, 14 outbox
-- ARGV 1 task id, 2 offset, 3 attempt, 4 most runs that may be lost, 5 time limit and lease (ms), 6 log of a failure,
--      7 retention (s), 8 now (ms or ''), 9 ms to wait on where the dispatch may still be in its queue, else 0,
--      10 what the log of a lost run ends with
-- Answer: 'ready', 'failed', 'extended', or 'gone' where the run is not due (any more).
local id, offset, attempt = ARGV[1], ARGV[2], tonumber(ARGV[3])
local name, now = run_name(id, offset, attempt), clock(ARGV[8])
local score = redis.call('ZSCORE', KEYS[4], name)
if not score or tonumber(score) > now then return 'gone' end
local letter, node = letter_of(KEYS[2], offset), read_node(KEYS[3], offset)
local running = letter == 'X' or letter == 'C'
if node.attempt ~= attempt or not (running or letter == 'R') then
  redis.call('ZREM', KEYS[4], name)
  return 'gone'
end
if letter == 'R' and ARGV[9] ~= '0' then
  redis.call('ZADD', KEYS[4], digits(now + tonumber(ARGV[9])), name)
  return 'extended'
end
local keys = {task = KEYS[1], status = KEYS[2], nodes = KEYS[3], due = KEYS[4], ready = KEYS[5], facts = KEYS[6],
              log = KEYS[7], holders = KEYS[8], waiting = KEYS[9], agents = KEYS[10], cancels = KEYS[11],
              listed = KEYS[12], changes = KEYS[13], outbox = KEYS[14]}
node.lost = node.lost + 1
local run = offset .. ':' .. ARGV[3]
local logged = redis.call('HGET', KEYS[7], run) or ''
local stuck = running and tonumber(score) - tonumber(node.started) > tonumber(ARGV[5])
if node.lost > tonumber(ARGV[4]) or stuck or letter == 'C' then
  fail_node(keys, id, offset, node, now, {log = logged .. ARGV[6], facts = '', agent = ''}, ARGV[7])
  return 'failed'
end
redis.call('ZREM', KEYS[4], name)
if logged ~= '' then redis.call('HSET', KEYS[7], run, logged .. ARGV[10]) end
node.attempt = attempt + 1
write_node(KEYS[3], offset, node)
make_ready(keys, id, tonumber(offset), 1)
return 'ready'
