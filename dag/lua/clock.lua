-- The time in ms: the one given (tests), or the server's own where it is '' (one clock for all processes).
local function clock(given)
  if given ~= '' then return tonumber(given) end
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

-- Lua writes large numbers as 1.79e+12; Redis and its readers want all digits.
local function digits(number) return string.format('%.0f', number) end
