-- The queue of a host: members "host:ticket:task:index" of equal scores, so that its order is that of the tickets.

-- The task at the head of the host's queue, '0' where nobody waits.
local function first_task(waiting, host)
  local head = redis.call('ZRANGEBYLEX', waiting, '[' .. host .. ':', '(' .. host .. ';', 'LIMIT', 0, 1)
  return head[1] and string.match(head[1], '^%d+:%d+:(%d+):') or '0'
end
