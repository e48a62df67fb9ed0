-- include: clock, node, unlock
-- Give a host that came free to the head of its queue. A new task begins there; one that goes on begins once it has all
-- of its hosts again.
-- KEYS 1 task, 2 status, 3 nodes, 4 ready, 5 holders, 6 waiting, 7 changes
-- ARGV 1 task id, 2 host id, 3 the queue's member, 4 index of the host in the task
-- Answer: 1 granted; 0 where the host is held, or the member is not the head of its queue (any more).
local id, host, member = ARGV[1], ARGV[2], ARGV[3]
if redis.call('HGET', KEYS[5], host) ~= '-' then return 0 end
local head = redis.call('ZRANGEBYLEX', KEYS[6], '[' .. host .. ':', '(' .. host .. ';', 'LIMIT', 0, 1)
if head[1] ~= member then return 0 end
redis.call('ZREM', KEYS[6], member)
redis.call('HSET', KEYS[5], host, id)
local keys = {task = KEYS[1], status = KEYS[2], nodes = KEYS[3], ready = KEYS[4], changes = KEYS[7]}
if redis.call('HEXISTS', KEYS[1], 'wants') == 1 then
  regain(keys, id)
else
  make_ready(keys, id, tonumber(ARGV[4]), 1)
end
return 1
