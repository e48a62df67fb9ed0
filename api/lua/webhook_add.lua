-- Keep a new delivery of a webhook, due at once, and let the oldest go. One that is there stays as it is.
-- KEYS 1 deliveries (id to ms), 2 records (id to JSON), 3 due (id to ms)
-- ARGV 1 id, 2 record, 3 created (ms), 4 most deliveries, 5 those from before go (ms)
-- Answer: how many that still waited had to go.
if redis.call('HSETNX', KEYS[2], ARGV[1], ARGV[2]) == 0 then return 0 end
redis.call('ZADD', KEYS[1], ARGV[3], ARGV[1])
redis.call('ZADD', KEYS[3], ARGV[3], ARGV[1])
local lost = 0
local function forget(ids)
  for _, id in ipairs(ids) do
    redis.call('ZREM', KEYS[1], id)
    redis.call('HDEL', KEYS[2], id)
    lost = lost + redis.call('ZREM', KEYS[3], id)
  end
end
-- A few at a time: a setting that was made smaller is reached step by step.
local more = math.min(100, redis.call('ZCARD', KEYS[1]) - tonumber(ARGV[4]))
if more > 0 then forget(redis.call('ZRANGE', KEYS[1], 0, more - 1)) end
forget(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[5], 'LIMIT', 0, 100))
return lost
