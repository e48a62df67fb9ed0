-- Keep what was seen of a host's agent, and give all lists of hosts another version: the field 'version' among the ids.
local function note_agent(agents, host, text)
  redis.call('HSET', agents, host, text)
  redis.call('HINCRBY', agents, 'version', 1)
end
