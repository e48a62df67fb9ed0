-- Take deliveries of a webhook that are due; they are due again when the lease has run out.
-- KEYS 1 deliveries (not touched), 2 records (id to JSON), 3 due (id to ms)
-- ARGV 1 now (ms), 2 most, 3 lease (ms)
-- Answer: their records.
local found = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])) do
  redis.call('ZADD', KEYS[3], string.format('%.0f', tonumber(ARGV[1]) + tonumber(ARGV[3])), id)
  found[#found + 1] = redis.call('HGET', KEYS[2], id)
end
return found
