-- Count an attempt to log in before it is made, or say how long to wait. Each of the two subjects (a name from an
-- address; an address) has a few free attempts; then each one is followed by a wait that doubles.
-- KEYS 1 attempts of the name, 2 its wait, 3 attempts of the address, 4 its wait
-- ARGV 1 free attempts of the name, 2 of the address, 3 longest wait (s), 4 attempts are forgotten after (s)
-- Answer: 0 where the attempt may be made, else the ms to wait.
local wait = math.max(redis.call('PTTL', KEYS[2]), redis.call('PTTL', KEYS[4]))
if wait > 0 then return wait end
for at = 1, 2 do
  local attempts, waits = KEYS[2 * at - 1], KEYS[2 * at]
  local more = redis.call('INCR', attempts) - tonumber(ARGV[at])
  redis.call('EXPIRE', attempts, ARGV[4])
  if more >= 0 then
    redis.call('SET', waits, '1', 'PX', 1000 * math.min(2 ^ math.min(more, 30), tonumber(ARGV[3])))
  end
end
return 0
