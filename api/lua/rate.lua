-- Let one call through, or say how long to wait: a bucket of calls that fills at a steady rate (GCRA).
-- KEYS 1 the moment at which the bucket is full again (µs since the epoch)
-- ARGV 1 µs between two calls at the steady rate, 2 calls that may come at once
-- Answer: 0, or the µs after which a call would be let through; a call that is refused costs nothing.
local time = redis.call('TIME')
local now, step = time[1] * 1000000 + time[2], tonumber(ARGV[1])
local full = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now) + step
local early = full - now - step * tonumber(ARGV[2])
if early > 0 then return math.ceil(early) end
redis.call('SET', KEYS[1], string.format('%.0f', full), 'PX', math.ceil((full - now) / 1000))
return 0
