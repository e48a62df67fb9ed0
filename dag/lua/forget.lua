-- include: queue
-- Forget hosts: all of them, or none where one is not enrolled or in use.
-- KEYS 1 hosts, 2 addresses, 3 index, 4 agents, 5 holders, 6 waiting
-- ARGV host id, "address port", host id, "address port", ...
-- Answer: {'done'}; {'unknown', id, ...}; {'used', id, task, id, task, ...}.
local HOSTS_A_CALL = 500

local function each_part(step)
  for first = 1, #ARGV, 2 * HOSTS_A_CALL do
    local ids, places = {}, {}
    for at = first, math.min(first + 2 * HOSTS_A_CALL, #ARGV + 1) - 1, 2 do
      ids[#ids + 1], places[#places + 1] = ARGV[at], ARGV[at + 1]
    end
    step(ids, places)
  end
end

local unknown, used = {'unknown'}, {'used'}
each_part(function(ids)
  local records, holders = redis.call('HMGET', KEYS[1], unpack(ids)), redis.call('HMGET', KEYS[5], unpack(ids))
  for at, host in ipairs(ids) do
    if not records[at] then unknown[#unknown + 1] = host end
    if holders[at] then
      used[#used + 1] = host
      used[#used + 1] = holders[at] == '-' and first_task(KEYS[6], host) or holders[at]
    end
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
