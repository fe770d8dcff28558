-- KEYS: servers of a task. ARGV: incarnation, seconds until all of it is forgotten, '1' where the key gets its time anew.
if put('ZADD', KEYS[1], redis.call('TIME')[1], ARGV[1]) == 1 or ARGV[3] == '1' then redis.call('EXPIRE', KEYS[1], ARGV[2]) end
return 1
