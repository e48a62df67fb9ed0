-- The end of a node, successful or not, and of its task and its hold on the host where that follows.
-- keys: {task, status, nodes, due, ready, facts, log, holders, waiting, agents}

-- Free a host: keep it for the head of its queue where there is one, and tell the schedulers.
local function release_host(keys, id, host)
  if redis.call('HGET', keys.holders, host) ~= id then return end
  local next = redis.call('ZRANGEBYLEX', keys.waiting, '[' .. host .. ':', '(' .. host .. ';', 'LIMIT', 0, 1)
  if #next == 0 then
    redis.call('HDEL', keys.holders, host)
  else
    redis.call('HSET', keys.holders, host, '-')
    redis.call('XADD', keys.ready, '*', 'kind', 'host', 'host', host)
  end
end

-- End the task once nothing of it is open any more.
local function end_task(keys, id, now, retention)
  local task = redis.call('HMGET', keys.task, 'open', 'failed', 'shape')
  if tonumber(task[1]) > 0 then return end
  local failed = tonumber(task[2]) > 0
  redis.call('HSET', keys.task, 'status', failed and 'FAILED' or 'SUCCESSFUL', 'finished', digits(now))
  if failed or string.sub(task[3], -1) ~= 'h' then
    -- It still holds hosts. Whoever frees them needs its record, so that scheduler lets it expire.
    redis.call('XADD', keys.ready, '*', 'kind', 'release', 'task', id)
    return
  end
  for _, name in ipairs({'task', 'status', 'nodes', 'facts', 'log'}) do
    redis.call('EXPIRE', keys[name], retention)
  end
end

-- Write what a run left behind: the node's end, its log, what it learned of the host and of the agent.
local function record_end(keys, id, offset, node, letter, now, report)
  node.finished = digits(now)
  write_node(keys.nodes, offset, node)
  set_letter(keys.status, offset, letter)
  redis.call('ZREM', keys.due, run_name(id, offset, node.attempt))
  if report.log ~= '' then redis.call('HSET', keys.log, offset .. ':' .. digits(node.attempt), report.log) end
  if report.facts ~= '' then redis.call('HSET', keys.facts, report.index, report.facts) end
  if report.agent ~= '' then redis.call('HSET', keys.agents, report.host, report.agent) end
  redis.call('HINCRBY', keys.task, 'open', -1)
end

local function fail_node(keys, id, offset, node, now, report, retention)
  record_end(keys, id, offset, node, 'F', now, report)
  redis.call('HINCRBY', keys.task, 'failed', 1)
  end_task(keys, id, now, retention)
end
