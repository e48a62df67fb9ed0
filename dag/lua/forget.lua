-- include: queue
-- Forget hosts: all of them, or none where one is not enrolled or in use. Of a task that has yet to get its places on its
-- hosts no queue knows.
-- KEYS 1 hosts, 2 addresses, 3 index, 4 agents, 5 holders, 6 waiting, 7 admission, 8.. the tasks that stand there
-- ARGV 1 the admission list as it was read, with commas between, 2.. host id, "address port", host id, "address port", ...
-- Answer: {'done'}; {'unknown', id, ...}; {'used', id, task, id, task, ...}; {'moved'} where the admission list is another
--      one by now.
local HOSTS_A_CALL = 500
if table.concat(redis.call('LRANGE', KEYS[7], 0, -1), ',') ~= ARGV[1] then return {'moved'} end

local function each_part(step)
  for first = 2, #ARGV, 2 * HOSTS_A_CALL do
    local ids, places = {}, {}
    for at = first, math.min(first + 2 * HOSTS_A_CALL, #ARGV + 1) - 1, 2 do
      ids[#ids + 1], places[#places + 1] = ARGV[at], ARGV[at + 1]
    end
    step(ids, places)
  end
end

-- Host to the first task that has yet to get its place there.
local awaited = {}
local ids = string.gmatch(ARGV[1], '%d+')
for key = 8, #KEYS do
  local id, index, task = ids(), 0, redis.call('HMGET', KEYS[key], 'hosts', 'admitted')
  for host in string.gmatch(task[1] or '', '%d+') do
    if index >= tonumber(task[2] or 0) then awaited[host] = awaited[host] or id end
    index = index + 1
  end
end

local unknown, used = {'unknown'}, {'used'}
each_part(function(ids)
  local records, holders = redis.call('HMGET', KEYS[1], unpack(ids)), redis.call('HMGET', KEYS[5], unpack(ids))
  for at, host in ipairs(ids) do
    if not records[at] then unknown[#unknown + 1] = host end
    local user = holders[at] == '-' and first_task(KEYS[6], host) or holders[at] or awaited[host]
    if user then used[#used + 1], used[#used + 2] = host, user end
  end
end)
if #unknown > 1 then return unknown end
if #used > 1 then return used end
each_part(function(ids, places)
  redis.call('HDEL', KEYS[1], unpack(ids))
  redis.call('HDEL', KEYS[2], unpack(places))
  redis.call('ZREM', KEYS[3], unpack(ids))
  redis.call('HDEL', KEYS[4], unpack(ids))
end)
return {'done'}
