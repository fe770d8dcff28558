-- KEYS: servers of a task, their bounds. ARGV: incarnation, bounds, seconds until all of it is forgotten.
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
redis.call('EXPIRE', KEYS[2], ARGV[3])
for _, old in ipairs(redis.call('HKEYS', KEYS[2])) do
  if old ~= ARGV[1] and not redis.call('ZSCORE', KEYS[1], old) then redis.call('HDEL', KEYS[2], old) end
end
return 1
