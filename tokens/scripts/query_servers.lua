-- KEYS: servers of a task. ARGV: for how many seconds one counts after it was heard of.
local now = redis.call('TIME')[1]
local out = {now}
local seen = redis.call('ZRANGEBYSCORE', KEYS[1], now - tonumber(ARGV[1]), '+inf', 'WITHSCORES')
for i = 1, #seen do out[#out + 1] = seen[i] end
return out
