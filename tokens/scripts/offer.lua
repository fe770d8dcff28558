-- KEYS: offers of a task. ARGV: incarnation, its backlog in ms, 0 where it offers nothing any more.
local function write(...)
  local r = redis.pcall(...)
  if type(r) ~= 'table' then return r end
  redis.call('DEL', KEYS[1])
  return redis.call(...)
end
if ARGV[2] == '0' then return write('ZREM', KEYS[1], ARGV[1]) end
write('ZADD', KEYS[1], ARGV[2], ARGV[1])
return redis.call('EXPIRE', KEYS[1], 60)
