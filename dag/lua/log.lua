-- How much the runs of a node have logged, without what: to know whether there is anything new costs no more.
-- KEYS 1 task, 2 status, 3 nodes, 4 log
-- ARGV 1 subtask id
-- Answer: {when the task was created, its status, the node's offset, its letter ('': there is no such node), its record or
--          '', bytes of the log of attempt 1, of attempt 2, ...}; {} where there is no such task.
local task = redis.call('HMGET', KEYS[1], 'created', 'status', 'base')
if not task[1] then return {} end
local offset = tonumber(ARGV[1]) - tonumber(task[3])
if offset < 0 or offset >= redis.call('STRLEN', KEYS[2]) then return {task[1], task[2], 0, '', ''} end
local letter = redis.call('GETRANGE', KEYS[2], offset, offset)
local record = redis.call('HGET', KEYS[3], offset) or ''
local found = {task[1], task[2], offset, letter, record}
for attempt = 1, tonumber(string.match(record, '^%d+') or '0') do
  found[#found + 1] = redis.call('HSTRLEN', KEYS[4], offset .. ':' .. attempt)
end
return found
