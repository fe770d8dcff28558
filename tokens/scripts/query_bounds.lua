-- KEYS: servers of a task, their bounds. ARGV: for how many seconds one counts. Returns of each bound the largest; 0, no bound, is
-- larger than all.
local now = redis.call('TIME')[1]
local most = {}
for n, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], now - tonumber(ARGV[1]), '+inf')) do
  local i = 0
  for bound in string.gmatch(redis.call('HGET', KEYS[2], id) or '0 0 0', '%d+') do
    i = i + 1
    bound = tonumber(bound)
    if n == 1 or bound == 0 or (most[i] ~= 0 and bound > most[i]) then most[i] = bound end
  end
end
for i, bound in ipairs(most) do most[i] = string.format('%.0f', bound) end
table.insert(most, 1, now)
return most
