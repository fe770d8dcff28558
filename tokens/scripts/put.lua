-- What is said each second costs Redis a command or two: a foreign key is noticed where writing fails, and keys are given their
-- time anew when somebody is new in them, and else where the caller says so.
local function put(command, key, ...)
  local r = redis.pcall(command, key, ...)
  if type(r) ~= 'table' then return r end
  if r.err and string.find(r.err, 'WRONGTYPE', 1, true) then redis.call('DEL', key) end
  return redis.call(command, key, ...)
end
