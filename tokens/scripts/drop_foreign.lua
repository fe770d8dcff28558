-- What another program left under a key of ours, of a type that is none of ours, would hide the workers for ever.
local function drop(key, r)
  if type(r) == 'table' and r.err and string.find(r.err, 'WRONGTYPE', 1, true) then redis.call('DEL', key) end
end
drop(KEYS[1], redis.pcall('ZCARD', KEYS[1]))
if KEYS[2] then drop(KEYS[2], redis.pcall('HGET', KEYS[2], '')) end
