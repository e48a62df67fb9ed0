-- include: clock, node, unlock, agent, finish
-- Give some hosts of a task that goes on their places in the queues, as admit.lua does for a new one: only those on which
-- something is left to do. In a rollback, mark where it begins on each. The task begins once it has all of them.
-- KEYS 1 task, 2 status, 3 nodes, 4 due, 5 ready, 6 facts, 7 log, 8 holders, 9 waiting, 10 agents, 11 cancels, 12 listed,
--      13 changes, 14 outbox, 15 admission, 16 tickets
-- ARGV 1 task id, 2 index of the first host, 3 1 where these are the last, 4 now (ms or ''), 5.. host ids
-- Answer: 1 done; 0 where the task is not at the head or is elsewhere than at that index (someone else went on).
local id, from = ARGV[1], tonumber(ARGV[2])
local task = redis.call('HMGET', KEYS[1], 'admitted', 'wants', 'shape', 'width', 'operation', 'front')
if redis.call('LINDEX', KEYS[15], 0) ~= id or tonumber(task[1]) ~= from or not task[2] then return 0 end
local keys = {task = KEYS[1], status = KEYS[2], nodes = KEYS[3], due = KEYS[4], ready = KEYS[5], facts = KEYS[6],
              log = KEYS[7], holders = KEYS[8], waiting = KEYS[9], agents = KEYS[10], cancels = KEYS[11],
              listed = KEYS[12], changes = KEYS[13], outbox = KEYS[14]}
local shape, width, is_rollback = task[3], tonumber(task[4]), task[5] == 'ROLLBACK'
local letters = redis.call('GET', KEYS[2])

local firsts = {}
for stage = 0, #shape - 1 do firsts[stage] = first_of(shape, width, stage) end

local function letter_at(stage, index)
  local at = firsts[stage] + index + 1
  return string.sub(letters, at, at)
end

-- Forwards a host is done with after the last stage, backwards after the first.
local function is_through(index)
  if is_rollback then return letter_at(0, index) == 'P' end
  return string.sub(shape, -1) == 'h' and letter_at(#shape - 1, index) == 'S'
end

local opened, was_failed = 0, 0
-- The host's last node that is not PENDING, in the part at which the rollback begins.
local function mark_front(first_stage, last_stage, index)
  for stage = last_stage, first_stage, -1 do
    local letter = index < width_of(shape, width, stage) and letter_at(stage, index) or 'P'
    if letter == 'S' or letter == 'F' then
      set_letter(keys, digits(firsts[stage] + index), 'W')
      opened, was_failed = opened + 1, was_failed + (letter == 'F' and 1 or 0)
    end
    if letter ~= 'P' then return end
  end
end

local function queue_up(host, index)
  release_host(keys, id, host)
  if redis.call('HSETNX', KEYS[8], host, id) == 1 then return 0 end
  local ticket = string.format('%016.0f', redis.call('INCR', KEYS[16]))
  redis.call('ZADD', KEYS[9], 0, table.concat({host, ticket, id, digits(index)}, ':'))
  return 1
end

local first_stage, last_stage
if task[6] then first_stage, last_stage = front(letters, shape, width) end
local wanted = 0
for place = 5, #ARGV do
  local index = from + place - 5
  if first_stage then mark_front(first_stage, last_stage, index) end
  if not is_through(index) then wanted = wanted + queue_up(ARGV[place], index) end
end
redis.call('HINCRBY', KEYS[1], 'open', opened)
redis.call('HINCRBY', KEYS[1], 'failed', -was_failed)
redis.call('HINCRBY', KEYS[1], 'wants', wanted)
redis.call('HSET', KEYS[1], 'admitted', digits(from + #ARGV - 4))
if ARGV[3] == '1' then
  redis.call('LPOP', KEYS[15])
  redis.call('HDEL', KEYS[1], 'front')
  regain(keys, id)
  end_task(keys, id, clock(ARGV[4]), '')
end
return 1
