-- include: clock
-- A worker tells that it is alive.
-- KEYS 1 workers, 2 what each tells of itself
-- ARGV 1 name, 2 for how long it counts as alive (ms), 3 what it tells (JSON), 4 now (ms or '')
-- Answer: now (ms).
local now = clock(ARGV[4])
redis.call('ZADD', KEYS[1], digits(now + tonumber(ARGV[2])), ARGV[1])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
return now
