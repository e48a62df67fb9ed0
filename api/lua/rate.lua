-- Let one call through and open its entry in the audit log, or say how long to wait: a bucket of calls that fills at a
-- steady rate (GCRA). The entries of a flood that is stopped here would push out what was done before it.
-- KEYS 1 the moment at which the bucket is full again (µs since the epoch), 2 the stream of the entry (if it has any)
-- ARGV 1 µs between two calls at the steady rate (0: any rate), 2 calls that may come at once, 3 the entry, 4 about how
--      many entries are kept
-- Answer: {0, id of the entry or ''}; {µs after which the call would be let through, ''}: one that is refused costs nothing.
local step = tonumber(ARGV[1])
if step > 0 then
  local time = redis.call('TIME')
  local now = time[1] * 1000000 + time[2]
  local full = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now) + step
  local early = full - now - step * tonumber(ARGV[2])
  if early > 0 then return {math.ceil(early), ''} end
  redis.call('SET', KEYS[1], string.format('%.0f', full), 'PX', math.ceil((full - now) / 1000))
end
return {0, KEYS[2] and redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[4], '*', 'entry', ARGV[3]) or ''}
