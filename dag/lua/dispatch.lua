-- include: clock, node
-- Note that READY nodes are about to be handed out, so that one which is never begun is found again.
-- KEYS 1 task, 2 status, 3 nodes, 4 due, 5 changes
-- ARGV 1 task id, 2 first offset, 3 count, 4 ms until they must have begun, 5 now (ms or '')
-- Answer: {offset, attempt, offset, attempt, ...} of those that are READY.
local first, count = tonumber(ARGV[2]), tonumber(ARGV[3])
local until_ms = digits(clock(ARGV[5]) + tonumber(ARGV[4]))
local letters = redis.call('GETRANGE', KEYS[2], first, first + count - 1)
local is_rollback = redis.call('HGET', KEYS[1], 'operation') == 'ROLLBACK'
local answer = {}
for place = 1, #letters do
  if string.sub(letters, place, place) == 'R' then
    local offset = digits(first + place - 1)
    local node = read_node(KEYS[3], offset)
    if is_ended(node) then
      renew_node(node, is_rollback)
      write_node(KEYS[3], offset, node)
      note_change({task = KEYS[1], changes = KEYS[5]}, offset .. ' R')
    end
    redis.call('ZADD', KEYS[4], until_ms, run_name(ARGV[1], offset, node.attempt))
    answer[#answer + 1] = first + place - 1
    answer[#answer + 1] = node.attempt
  end
end
return answer
