-- How hosts get their places in the queues of a new task.
-- keys: {task, status, ready, changes, holders, waiting, tickets, listed}

-- Give the hosts their tickets; they are those of the task from index `from` on. A host that is free lets its first node
-- be READY.
local function admit_hosts(keys, id, from, hosts)
  local first, count = from, 0
  local function flush(next)
    if count > 0 then make_ready(keys, id, first, count) end
    first, count = next, 0
  end
  -- A call of each kind for all hosts: calls are what a script's time goes into.
  local holders = redis.call('HMGET', keys.holders, unpack(hosts))
  local listed, taken, queued = {}, {}, {}
  local function add(list, one, other) list[#list + 1], list[#list + 2] = one, other end
  for place, host in ipairs(hosts) do
    local index = from + place - 1
    add(listed, 0, listed_as('host', host, id))
    if holders[place] then
      flush(index + 1)
      add(queued, host, index)
    else
      count = count + 1
      add(taken, host, id)
    end
  end
  flush(0)
  redis.call('ZADD', keys.listed, unpack(listed))
  if #taken > 0 then redis.call('HSET', keys.holders, unpack(taken)) end
  if #queued > 0 then
    local ticket, members = redis.call('INCRBY', keys.tickets, #queued / 2) - #queued / 2, {}
    for at = 1, #queued, 2 do
      local place = string.format('%016.0f', ticket + (at + 1) / 2)
      add(members, 0, table.concat({queued[at], place, id, digits(queued[at + 1])}, ':'))
    end
    redis.call('ZADD', keys.waiting, unpack(members))
  end
  redis.call('HSET', keys.task, 'admitted', digits(from + #hosts))
end
