-- include: clock, node
-- Add to the log of a run that is under way. Only the run that holds the node may, by its attempt and its token: whoever
-- was lost and wakes must not write into the log of the next. Told twice (the first answer was lost), it stands there once.
-- KEYS 1 status, 2 nodes, 3 log
-- ARGV 1 offset, 2 attempt, 3 token, 4 bytes of the log that stand before the text, 5 text
-- Answer: the bytes that are stored now (fewer than ARGV 4: some before it are missing, and nothing was written);
--         -1 where this run does not hold the node (any more).
local offset, before = ARGV[1], tonumber(ARGV[4])
local letter, node = letter_of(KEYS[1], offset), read_node(KEYS[2], offset)
local is_held = letter == 'X' or letter == 'C'
if not is_held or node.attempt ~= tonumber(ARGV[2]) or node.token ~= ARGV[3] then return -1 end
local run = offset .. ':' .. ARGV[2]
local known = redis.call('HGET', KEYS[3], run) or ''
if #known < before then return #known end
-- Mostly it is just what comes next.
local text = (#known == before and known or string.sub(known, 1, before)) .. ARGV[5]
if #known > before and string.sub(known, 1, #text) == text then return #known end
redis.call('HSET', KEYS[3], run, text)
return #text
