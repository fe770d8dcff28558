-- KEYS: when workers were heard of, their rows. ARGV: incarnation, row, seconds until silent ones are forgotten, '1' where the
-- keys get their time anew.
local now = redis.call('TIME')[1]
local is_new = put('ZADD', KEYS[1], now, ARGV[1]) == 1
is_new = put('HSET', KEYS[2], ARGV[1], ARGV[2]) == 1 or is_new
for _, old in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now - tonumber(ARGV[3]))) do
  redis.call('ZREM', KEYS[1], old)
  redis.call('HDEL', KEYS[2], old)
end
if is_new or ARGV[4] == '1' then
  redis.call('EXPIRE', KEYS[1], ARGV[3])
  redis.call('EXPIRE', KEYS[2], ARGV[3])
end
return 1
