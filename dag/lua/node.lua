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

local function set_letter(status, offset, letter) redis.call('SETRANGE', status, offset, letter) end

-- The name of one run of a node in the sorted set of what is due.
local function run_name(task, offset, attempt) return task .. ':' .. offset .. ':' .. digits(attempt) end
