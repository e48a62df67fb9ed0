-- include: clock
-- Renew the leases of all runs that a worker holds, in one call.
-- KEYS 1 due, 2 cancels
-- ARGV 1 lease (ms), 2 now (ms or ''), 3.. "task:offset:attempt"
-- Answer: {those that are not this worker's any more, those that somebody wants to be cancelled}.
local until_ms = digits(clock(ARGV[2]) + tonumber(ARGV[1]))
local gone, cancelled = {}, {}
local is_any_cancelled = redis.call('EXISTS', KEYS[2]) == 1
for place = 3, #ARGV do
  if redis.call('ZSCORE', KEYS[1], ARGV[place]) then
    redis.call('ZADD', KEYS[1], until_ms, ARGV[place])
    if is_any_cancelled and redis.call('HEXISTS', KEYS[2], ARGV[place]) == 1 then
      cancelled[#cancelled + 1] = ARGV[place]
    end
  else
    gone[#gone + 1] = ARGV[place]
  end
end
return {gone, cancelled}
