-- Which hosts are not enrolled.
-- KEYS 1 hosts
-- ARGV 1 host ids, with commas between them: one text of ten thousand is read quicker than so many arguments
-- Answer: the ids of those that are not, in the order in which they were named.
local missing = {}
for host in string.gmatch(ARGV[1], '%d+') do
  if redis.call('HEXISTS', KEYS[1], host) == 0 then missing[#missing + 1] = host end
end
return missing
