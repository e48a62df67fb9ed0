-- How a task that has ended goes on.
-- keys: those of finish.lua, and {admission}

-- From here on what is unlocked waits until the task has its hosts again. One more than hosts: the admission itself.
local function await_hosts(keys) redis.call('HSET', keys.task, 'wants', 1) end

-- RUNNING again, because of this call, and last in the list of those that are to get places in their hosts' queues.
local function resume(keys, id, call)
  set_status(keys, id, 'RUNNING')
  redis.call('HSET', keys.task, 'finished', '', 'admitted', 0, 'cause', call)
  for _, name in ipairs({'task', 'status', 'nodes', 'facts', 'log', 'changes'}) do redis.call('PERSIST', keys[name]) end
  redis.call('RPUSH', keys.admission, id)
end

-- Whether this call was made before: redis-py sends a script again where the answer to the first was lost.
local function is_repeated(keys, call)
  if redis.call('HGET', keys.task, 'call') == call then return true end
  return false
end
