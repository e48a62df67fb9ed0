-- include: agent
-- Answer an inquiry: wake all who wait for it, keep the answer for a while, and note what was seen of the agent.
-- A task's own steps note what becomes of the agent while it holds the host, so a look then does not.
-- KEYS 1 the host's inquiry, 2 its answer, 3 agents, 4 holders, 5 hosts
-- ARGV 1 host id, 2 number of the inquiry, 3 answer (JSON), 4 agent (JSON) or '', 5 ms for which the answer serves,
--      6 ms for which those who wait may still read it
-- Answer: 1.
redis.call('XADD', KEYS[2], '*', 'answer', ARGV[3])
redis.call('PEXPIRE', KEYS[2], ARGV[6])
if redis.call('GET', KEYS[1]) == ARGV[2] then redis.call('PEXPIRE', KEYS[1], ARGV[5]) end
if ARGV[4] ~= '' and redis.call('HEXISTS', KEYS[5], ARGV[1]) == 1 and redis.call('HEXISTS', KEYS[4], ARGV[1]) == 0 then
  note_agent(KEYS[3], ARGV[1], ARGV[4])
end
return 1
