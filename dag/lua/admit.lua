-- include: clock, node, unlock, agent, finish
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
-- A call of each kind for all hosts: calls are what a script's time goes into.
local holders = redis.call('HMGET', KEYS[6], unpack(ARGV, 4))
local listed, taken, queued = {}, {}, {}
local function add(list, one, other) list[#list + 1], list[#list + 2] = one, other end
for place = 4, #ARGV do
  local index, host = from + place - 4, ARGV[place]
  add(listed, 0, listed_as('host', host, id))
  if holders[place - 3] then
    flush(index + 1)
    add(queued, host, index)
  else
    count = count + 1
    add(taken, host, id)
  end
end
flush(0)
redis.call('ZADD', KEYS[9], unpack(listed))
if #taken > 0 then redis.call('HSET', KEYS[6], unpack(taken)) end
if #queued > 0 then
  local ticket, members = redis.call('INCRBY', KEYS[8], #queued / 2) - #queued / 2, {}
  for at = 1, #queued, 2 do
    local place = string.format('%016.0f', ticket + (at + 1) / 2)
    add(members, 0, table.concat({queued[at], place, id, digits(queued[at + 1])}, ':'))
  end
  redis.call('ZADD', KEYS[7], unpack(members))
end
redis.call('HSET', KEYS[1], 'admitted', digits(from + #ARGV - 3))
if ARGV[3] == '1' then redis.call('LPOP', KEYS[5]) end
return 1
