-- Keep what became of an attempt of a delivery, and when the next is due.
-- KEYS 1 deliveries (not touched), 2 records (id to JSON), 3 due (id to ms)
-- ARGV 1 id, 2 record, 3 next attempt (ms) or ''
-- Answer: 1; 0 where the delivery is gone.
redis.call('ZREM', KEYS[3], ARGV[1])
if redis.call('HEXISTS', KEYS[2], ARGV[1]) == 0 then return 0 end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
if ARGV[3] ~= '' then redis.call('ZADD', KEYS[3], ARGV[3], ARGV[1]) end
return 1
