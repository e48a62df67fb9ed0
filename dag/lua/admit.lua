-- include: clock, node, unlock, finish
-- Give some hosts of the oldest unadmitted task their tickets; a host that is free lets its first node be READY.
-- Only the head of the admission list is served: one order of tasks for all hosts, so no two can wait for each other.
-- KEYS 1 task, 2 status, 3 nodes, 4 ready, 5 admission, 6 holders, 7 waiting, 8 tickets, 9 listed, 10 changes
-- ARGV 1 task id, 2 index of the first host, 3 1 where these are the last, 4.. host ids
-- Answer: 1 done; 0 where the task is not at the head or is elsewhere than at that index (someone else went on).
local id, from = ARGV[1], tonumber(ARGV[2])
if redis.call('LINDEX', KEYS[5], 0) ~= id then return 0 end
if tonumber(redis.call('HGET', KEYS[1], 'admitted')) ~= from then return 0 end
local keys = {task = KEYS[1], status = KEYS[2], nodes = KEYS[3], ready = KEYS[4], changes = KEYS[10]}
local first, count = from, 0
local function flush(next)
  if count > 0 then make_ready(keys, id, first, count) end
  first, count = next, 0
end
for place = 4, #ARGV do
  local index, host = from + place - 4, ARGV[place]
  redis.call('ZADD', KEYS[9], 0, listed_as('host', host, id))
  if redis.call('HSETNX', KEYS[6], host, id) == 1 then
    count = count + 1
  else
    flush(index + 1)
    local ticket = string.format('%016.0f', redis.call('INCR', KEYS[8]))
    redis.call('ZADD', KEYS[7], 0, table.concat({host, ticket, id, digits(index)}, ':'))
  end
end
flush(0)
redis.call('HSET', KEYS[1], 'admitted', digits(from + #ARGV - 3))
if ARGV[3] == '1' then redis.call('LPOP', KEYS[5]) end
return 1
