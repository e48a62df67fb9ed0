-- What unlocks a node: the one place that knows.
-- keys: {task, status, nodes, ready}; every function works on the task named `id`.
local NODES_A_MESSAGE = 100

-- Put `count` nodes from offset `first` on the ready stream, in messages of bounded size.
local function announce(keys, id, first, count)
  while count > 0 do
    local now = math.min(count, NODES_A_MESSAGE)
    redis.call('XADD', keys.ready, '*', 'kind', 'nodes', 'task', id, 'first', digits(first), 'count', digits(now))
    first, count = first + now, count - now
  end
end

-- READY: one write whatever the width; whoever hands them out reads the letters.
local function make_ready(keys, id, first, count)
  redis.call('SETRANGE', keys.status, first, string.rep('R', count))
  announce(keys, id, first, count)
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

-- Open a whole stage; Wait nodes pass here and open the next. Returns true when the last stage is through.
local function open_stage(keys, id, shape, width, stage, now)
  while stage < #shape and string.sub(shape, stage + 1, stage + 1) == 'w' do
    local offset = digits(first_of(shape, width, stage))
    local node = read_node(keys.nodes, offset)
    node.started, node.finished = digits(now), digits(now)
    write_node(keys.nodes, offset, node)
    set_letter(keys.status, offset, 'S')
    redis.call('HSET', keys.task, 'left:' .. stage, 0)
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
