-- What unlocks a node: the one place that knows.
-- keys: {task, status, nodes, ready, changes}; every function works on the task named `id`.
local NODES_A_MESSAGE = 100

-- Put `count` nodes from offset `first` on the ready stream, in messages of bounded size; `call` is the one that asked for
-- them, where it is another than the one because of which the task runs.
local function announce(keys, id, first, count, call)
  while count > 0 do
    local now = math.min(count, NODES_A_MESSAGE)
    local message = {'kind', 'nodes', 'task', id, 'first', digits(first), 'count', digits(now)}
    if call then message[9], message[10] = 'parent', call end
    redis.call('XADD', keys.ready, '*', unpack(message))
    first, count = first + now, count - now
  end
end

-- READY: one write whatever the width; whoever hands them out reads the letters. A task that has to get its hosts again
-- (it has a field `wants`) keeps what is unlocked as W until it has all of them.
local function make_ready(keys, id, first, count, call)
  if redis.call('HEXISTS', keys.task, 'wants') == 1 then
    set_letters(keys, first, count, 'W')
    return
  end
  set_letters(keys, first, count, 'R')
  announce(keys, id, first, count, call)
end

-- The task waits for one host less; with the last one all that waits becomes READY in one step.
local function regain(keys, id)
  if redis.call('HINCRBY', keys.task, 'wants', -1) > 0 then return end
  redis.call('HDEL', keys.task, 'wants')
  local letters = replace_letters(keys, 'W', 'R')
  local at = string.find(letters, 'W', 1, true)
  while at do
    local span = string.match(string.sub(letters, at, at + NODES_A_MESSAGE - 1), '.*W')
    announce(keys, id, at - 1, #span)
    at = string.find(letters, 'W', at + NODES_A_MESSAGE, true)
  end
end

local function width_of(shape, width, stage)
  if string.sub(shape, stage + 1, stage + 1) == 'h' then return width end
  return 1
end

-- The stage (from 0) of an offset, and its place in it.
local function place(shape, width, offset)
  local first = 0
  for stage = 0, #shape - 1 do
    local size = width_of(shape, width, stage)
    if offset < first + size then return stage, offset - first, first end
    first = first + size
  end
end

local function first_of(shape, width, stage)
  local first = 0
  for before = 0, stage - 1 do first = first + width_of(shape, width, before) end
  return first
end

local function pass_wait_node(keys, shape, width, stage, now, letter, operation)
  local offset = digits(first_of(shape, width, stage))
  local node = read_node(keys.nodes, offset)
  node.started, node.finished, node.operation = digits(now), digits(now), operation
  write_node(keys.nodes, offset, node)
  set_letter(keys, offset, letter)
  redis.call('HSET', keys.task, 'left:' .. stage, 0)
end

-- Open a whole stage; Wait nodes pass here and open the next.
local function open_stage(keys, id, shape, width, stage, now)
  while stage < #shape and string.sub(shape, stage + 1, stage + 1) == 'w' do
    pass_wait_node(keys, shape, width, stage, now, 'S', 'EXECUTE')
    stage = stage + 1
  end
  if stage >= #shape then return end
  local count = width_of(shape, width, stage)
  redis.call('HINCRBY', keys.task, 'open', count)
  make_ready(keys, id, first_of(shape, width, stage), count)
end

-- A node has succeeded: count down, and open what hung on it.
local function unlock(keys, id, shape, width, offset, now)
  local stage, inner = place(shape, width, offset)
  local left = redis.call('HINCRBY', keys.task, 'left:' .. stage, -1)
  if stage + 1 >= #shape then return end
  if string.sub(shape, stage + 1, stage + 2) == 'hh' then
    redis.call('HINCRBY', keys.task, 'open', 1)
    make_ready(keys, id, first_of(shape, width, stage + 1) + inner, 1)
  elseif left == 0 then
    open_stage(keys, id, shape, width, stage + 1, now)
  end
end

-- In a rollback `left` counts a stage's nodes that are not PENDING again, and everything goes the other way.

-- Open what a whole stage has to undo; Wait nodes pass here and open the stage before.
local function open_stage_back(keys, id, shape, width, stage, now)
  while stage >= 0 and string.sub(shape, stage + 1, stage + 1) == 'w' do
    pass_wait_node(keys, shape, width, stage, now, 'P', 'ROLLBACK')
    stage = stage - 1
  end
  if stage < 0 then return end
  -- A join has let all of the stage through on the way forwards, so all of it is to be undone.
  local count = width_of(shape, width, stage)
  redis.call('HINCRBY', keys.task, 'open', count)
  make_ready(keys, id, first_of(shape, width, stage), count)
end

-- A node has been undone: count down, and open what it hung on.
local function unlock_back(keys, id, shape, width, offset, now)
  local stage, inner = place(shape, width, offset)
  local left = redis.call('HINCRBY', keys.task, 'left:' .. stage, -1)
  if stage == 0 then return end
  if string.sub(shape, stage, stage + 1) == 'hh' then
    redis.call('HINCRBY', keys.task, 'open', 1)
    make_ready(keys, id, first_of(shape, width, stage - 1) + inner, 1)
  elseif left == 0 then
    open_stage_back(keys, id, shape, width, stage - 1, now)
  end
end

-- The first and last stage of the part at which a rollback begins: the last one that is not all PENDING. Inside of it each
-- host has its own depth; what is before it was joined and is done on all hosts.
local function front(letters, shape, width)
  for stage = #shape - 1, 0, -1 do
    local first = first_of(shape, width, stage)
    if string.find(string.sub(letters, first + 1, first + width_of(shape, width, stage)), '[^P]') then
      local from = stage
      while from > 0 and string.sub(shape, from, stage + 1) == string.rep('h', stage + 2 - from) do from = from - 1 end
      return from, stage
    end
  end
end
