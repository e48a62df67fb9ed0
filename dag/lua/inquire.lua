-- include: clock
-- Ask about a host, or join those who have asked: many questions at once are one inquiry, and its answer serves for a while.
-- KEYS 1 the host's inquiry, 2 counter of inquiries, 3 ready
-- ARGV 1 host id, 2 ms for which the inquiry stands, 3 1 where an older answer would not do, else 0, 4 traceparent or ''
-- Answer: the number of the inquiry.
local standing = ARGV[3] == '0' and redis.call('GET', KEYS[1])
if standing then return tonumber(standing) end
local number = redis.call('INCR', KEYS[2])
redis.call('SET', KEYS[1], digits(number), 'PX', ARGV[2])
redis.call('XADD', KEYS[3], '*', 'kind', 'look', 'host', ARGV[1], 'inquiry', digits(number), 'parent', ARGV[4])
return number
