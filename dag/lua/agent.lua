-- Keep what was seen of a host's agent, and give all lists of hosts another version: the field 'version' among the ids. It
-- is a time, so that a server which has lost its newest data gives none again that it has given before.
local function note_agent(agents, host, text)
  local now = redis.call('TIME')
  redis.call('HSET', agents, host, text, 'version', now[1] .. '.' .. now[2])
end
