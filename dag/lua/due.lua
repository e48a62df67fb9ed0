-- include: clock
-- Which runs are due: their dispatch or their lease has run out.
-- KEYS 1 due
-- ARGV 1 most, 2 now (ms or '')
-- Answer: "task:offset:attempt" of each, the longest first.
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', digits(clock(ARGV[2])), 'LIMIT', 0, ARGV[1])
