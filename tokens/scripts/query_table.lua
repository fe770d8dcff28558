-- KEYS: a token table. Returns the time in ms and everything in the table.
local time = redis.call('TIME')
local out = {string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))}
local flat = redis.pcall('HGETALL', KEYS[1])
for i = 1, #flat do out[#out + 1] = flat[i] end
return out
