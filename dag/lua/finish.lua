-- The end of a node, successful or not, and of its task and its hold on the host where that follows.
-- keys: {task, status, nodes, due, ready, facts, log, holders, waiting, agents, cancels, listed, changes, outbox}; agent.lua comes before

-- The member of `listed` by which a task is found; ids have 16 digits, so that their order is that of the names.
local function listed_as(facet, value, id) return facet .. ':' .. value .. ':' .. string.format('%016.0f', tonumber(id)) end

local function set_status(keys, id, status)
  redis.call('ZREM', keys.listed, listed_as('status', redis.call('HGET', keys.task, 'status'), id))
  redis.call('ZADD', keys.listed, 0, listed_as('status', status, id))
  redis.call('HSET', keys.task, 'status', status)
  note_change(keys, '=')
end

-- Of a task that has ended nothing changes any more, and nobody need follow it for long.
local CHANGES_OUTLIVE_SECONDS = 600

local function expire_changes(keys) redis.call('EXPIRE', keys.changes, CHANGES_OUTLIVE_SECONDS) end

-- What others are to be told of (webhooks), written with the change itself: no process can die in between. Who tells takes
-- it off; where nobody does, the oldest go.
local TOLD_KEPT = 100000

local function tell(keys, id, event, now)
  local task = redis.call('HMGET', keys.task, 'status', 'operation')
  redis.call('XADD', keys.outbox, 'MAXLEN', '~', TOLD_KEPT, '*', 'event', event, 'task', id, 'status', task[1],
             'operation', task[2], 'at', digits(now))
end

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

-- End the task once nothing of it is open any more. Retention: s, or '' to leave its expiry to a scheduler.
local function end_task(keys, id, now, retention)
  local task = redis.call('HMGET', keys.task, 'open', 'failed', 'shape', 'wants')
  if tonumber(task[1]) > 0 or task[4] then return end
  local failed = tonumber(task[2]) > 0
  set_status(keys, id, failed and 'FAILED' or 'SUCCESSFUL')
  redis.call('HSET', keys.task, 'finished', digits(now))
  tell(keys, id, 'task.ended', now)
  redis.call('HDEL', keys.task, 'warned')
  expire_changes(keys)
  if failed or retention == '' or string.sub(task[3], -1) ~= 'h' then
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
  set_letter(keys, offset, letter)
  redis.call('ZREM', keys.due, run_name(id, offset, node.attempt))
  if report.log ~= '' then redis.call('HSET', keys.log, offset .. ':' .. digits(node.attempt), report.log) end
  if report.facts ~= '' then redis.call('HSET', keys.facts, report.index, report.facts) end
  if report.agent ~= '' then note_agent(keys.agents, report.host, report.agent) end
  redis.call('HINCRBY', keys.task, 'open', -1)
end

-- A node is through, forwards or (in a rollback) backwards: unlock what hangs on it, free its host after its last step
-- there, end the task after the last of all.
local function pass_node(keys, id, offset, host, now, retention)
  local task = redis.call('HMGET', keys.task, 'shape', 'width', 'operation')
  local shape, width = task[1], tonumber(task[2])
  local is_last = place(shape, width, tonumber(offset)) == (task[3] == 'ROLLBACK' and 0 or #shape - 1)
  local go_on = task[3] == 'ROLLBACK' and unlock_back or unlock
  go_on(keys, id, shape, width, tonumber(offset), now)
  if is_last and host ~= '' and (task[3] == 'ROLLBACK' or string.sub(shape, -1) == 'h') then
    release_host(keys, id, host)
  end
  end_task(keys, id, now, retention)
end

local function fail_node(keys, id, offset, node, now, report, retention)
  local name = run_name(id, offset, node.attempt)
  local user = redis.call('HGET', keys.cancels, name)
  if user then
    report.log = report.log .. 'cancelled by ' .. user .. '\n'
    redis.call('HDEL', keys.cancels, name)
  end
  record_end(keys, id, offset, node, 'F', now, report)
  redis.call('HINCRBY', keys.task, 'failed', 1)
  -- Once from a task's beginning to its end, and again when it goes on from there, however few steps of it do.
  if redis.call('HSETNX', keys.task, 'warned', 1) == 1 then tell(keys, id, 'task.failed', now) end
  end_task(keys, id, now, retention)
end
