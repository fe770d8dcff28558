-- The producer's creation of an empty table, before any worker can know the job's nonce: nobody can hold a token of it, so
-- it need not learn. A table that exists is never changed; a key of another type is no table and makes room.
--
-- KEYS[1]  the table (fields: see sync.lua)      ARGV  1 nonce  2 n  3 lease_ms      reply  1 created, 0 there was one

local found = redis.pcall('HGET', KEYS[1], 'nonce')
if type(found) == 'table' and string.find(found.err, 'WRONGTYPE', 1, true) then
    redis.call('DEL', KEYS[1])
elseif redis.call('EXISTS', KEYS[1]) == 1 then
    return 0
end
local time = redis.call('TIME')
local now = string.format('%.0f', tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000))
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)') or ''
redis.call('HSET', KEYS[1], 'nonce', ARGV[1], 'clock', '0', 'last', now, 'run', run, 'learn', '0', 'fence', now,
    'n', ARGV[2], 'nv', '0', 'z', '0', 'drain', '0')
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.max(86400000, 20 * tonumber(ARGV[3]))))
return 1
