-- KEYS: when workers were heard of, their rows. ARGV: for how many seconds one counts.
local now = redis.call('TIME')[1]
local out = {now}
local seen = redis.call('ZRANGEBYSCORE', KEYS[1], now - tonumber(ARGV[1]), '+inf', 'WITHSCORES')
for i = 1, #seen, 2 do
  out[#out + 1] = seen[i]
  out[#out + 1] = seen[i + 1]
  out[#out + 1] = redis.call('HGET', KEYS[2], seen[i]) or ''
end
return out
