-- Look whether hosts are enrolled, and give out the ids of a task on them.
-- KEYS 1 hosts, 2 counter of task ids, 3 counter of node ids
-- ARGV 1 host ids, with commas between them: one text of ten thousand is read quicker than so many arguments
--      2 number of nodes; 0: only look
-- Answer: {id of the task, id of its last node, hosts that are not enrolled, in the order in which they were named ...};
--      both ids are 0 where some are not, or where it only looks.
local answer = {0, 0}
for host in string.gmatch(ARGV[1], '%d+') do
  if redis.call('HEXISTS', KEYS[1], host) == 0 then answer[#answer + 1] = host end
end
local nodes = tonumber(ARGV[2])
if nodes > 0 and #answer == 2 then
  answer[1], answer[2] = redis.call('INCR', KEYS[2]), redis.call('INCRBY', KEYS[3], nodes)
end
return answer
