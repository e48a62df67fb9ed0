-- A node's record, written when it first begins or is handed out again:
-- "attempt|run|operation|started|finished|token|lost|executor". Without one a node is at attempt 1, never begun.
local function read_node(nodes, offset)
  local text = redis.call('HGET', nodes, offset)
  if not text then
    return {attempt = 1, run = 1, operation = 'EXECUTE', started = '', finished = '', token = '0', lost = 0, executor = ''}
  end
  local attempt, run, operation, started, finished, token, lost, executor =
    string.match(text, '^(%d+)|(%d+)|(%u[%u_]*)|(%d*)|(%d*)|(%d+)|(%d+)|(.*)$')
  if not attempt then return error('the record of node ' .. offset .. ' is broken') end
  return {attempt = tonumber(attempt), run = tonumber(run), operation = operation, started = started,
          finished = finished, token = token, lost = tonumber(lost), executor = executor}
end

local function write_node(nodes, offset, node)
  redis.call('HSET', nodes, offset, table.concat({digits(node.attempt), digits(node.run), node.operation,
    node.started, node.finished, node.token, digits(node.lost), node.executor}, '|'))
end

-- A READY node whose record is of a run that has ended is asked again: it gets its next attempt when it is handed out.
local function is_ended(node) return node.finished ~= '' end

local function renew_node(node, is_rollback)
  node.attempt, node.lost, node.started, node.finished = node.attempt + 1, 0, '', ''
  node.operation = is_rollback and 'ROLLBACK' or 'RETRY'
  if not is_rollback then node.run = node.run + 1 end
end

local function letter_of(status, offset) return redis.call('GETRANGE', status, offset, offset) end

local CHANGES_KEPT, MOST_RUNS_NOTED = 10000, 100

-- Note for those who follow the task what is different from now on, and give it a new version: every change that anybody
-- can see is noted, in the script that makes it. What: 'offset letter', 'first-last letter', '=' (the task itself), or '*'
-- (more than is worth listing). keys: {task, changes}.
local function note_change(keys, what)
  local version = redis.call('XADD', keys.changes, 'MAXLEN', '~', CHANGES_KEPT, '*', 'c', what)
  redis.call('HSET', keys.task, 'version', version)
end

-- keys: {task, status, changes}
local function set_letter(keys, offset, letter)
  redis.call('SETRANGE', keys.status, offset, letter)
  note_change(keys, offset .. ' ' .. letter)
end

-- Nodes in a row have changed; so many a note that whoever reads it can tell each of them in one event.
local NODES_A_NOTE = 500

local function note_letters(keys, first, count, letter)
  while count > 0 do
    local now = math.min(count, NODES_A_NOTE)
    local last = now > 1 and '-' .. digits(first + now - 1) or ''
    note_change(keys, digits(first) .. last .. ' ' .. letter)
    first, count = first + now, count - now
  end
end

-- The same for many nodes in a row.
local function set_letters(keys, first, count, letter)
  redis.call('SETRANGE', keys.status, first, string.rep(letter, count))
  note_letters(keys, first, count, letter)
end

-- Every node of one letter gets another; returns the letters from before, and how many have changed.
local function replace_letters(keys, from, to)
  local letters = redis.call('GET', keys.status)
  local replaced, count = string.gsub(letters, from, to)
  redis.call('SET', keys.status, replaced)
  local runs = {}
  for first, last in string.gmatch(letters, '()' .. from .. '+()') do
    runs[#runs + 1] = {first - 1, last - first}
    if #runs > MOST_RUNS_NOTED then
      note_change(keys, '*')
      return letters, count
    end
  end
  for _, run in ipairs(runs) do note_letters(keys, run[1], run[2], to) end
  return letters, count
end

-- The name of one run of a node in the sorted set of what is due.
local function run_name(task, offset, attempt) return task .. ':' .. offset .. ':' .. digits(attempt) end
