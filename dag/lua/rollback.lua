-- include: clock, node, unlock, agent, finish, resume
-- Roll a FAILED task back, or go on with a rollback that FAILED. readmit.lua finds where it begins, host by host.
-- KEYS 1 task, 2 status, 3 nodes, 4 due, 5 ready, 6 facts, 7 log, 8 holders, 9 waiting, 10 agents, 11 cancels, 12 listed,
--      13 changes, 14 outbox, 15 admission
-- ARGV 1 task id, 2 this call's own name: its span, if it has one,
--      3.. stages (from 0) that prohibit it once a node of theirs has ended
-- Answer: {'done'}; {status, operation} as met where that does not allow it; {'prohibited', stage or ''}.
local keys = {task = KEYS[1], status = KEYS[2], nodes = KEYS[3], due = KEYS[4], ready = KEYS[5], facts = KEYS[6],
              log = KEYS[7], holders = KEYS[8], waiting = KEYS[9], agents = KEYS[10], cancels = KEYS[11],
              listed = KEYS[12], changes = KEYS[13], outbox = KEYS[14], admission = KEYS[15]}
if is_repeated(keys, ARGV[2]) then return {'done'} end
local task = redis.call('HMGET', KEYS[1], 'status', 'operation', 'shape', 'width', 'prohibit_rollback')
local shape, width, letters = task[3], tonumber(task[4]), redis.call('GET', KEYS[2])
local function letters_of(stage)
  local first = first_of(shape, width, stage)
  return string.sub(letters, first + 1, first + width_of(shape, width, stage))
end
if task[1] ~= 'FAILED' then return {task[1], task[2]} end
if task[5] == '1' then return {'prohibited', ''} end
for place = 3, #ARGV do
  if string.find(letters_of(tonumber(ARGV[place])), '[SF]') then return {'prohibited', ARGV[place]} end
end
for stage = 0, #shape - 1 do
  local _, pending = string.gsub(letters_of(stage), 'P', '')
  redis.call('HSET', KEYS[1], 'left:' .. stage, width_of(shape, width, stage) - pending)
end
await_hosts(keys)
redis.call('HSET', KEYS[1], 'operation', 'ROLLBACK', 'front', 1, 'call', ARGV[2])
resume(keys, ARGV[1], ARGV[2])
return {'done'}
