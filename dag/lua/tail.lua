-- The ends of some logs: a log may be 1 MiB, and who wants to know why a run failed needs its last line.
-- KEYS 1 log
-- ARGV 1 most bytes of each, 2.. "offset:attempt"
-- Answer: a text for each, '' where there is none.
local ends = {}
for place = 2, #ARGV do
  local text = redis.call('HGET', KEYS[1], ARGV[place]) or ''
  -- Not in the middle of a character (UTF-8).
  ends[#ends + 1] = (string.gsub(string.sub(text, -tonumber(ARGV[1])), '^[\128-\191]+', ''))
end
return ends
