-- KEYS: when workers were heard of, their rows. ARGV: the incarnation that leaves.
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[1])
return {redis.call('TIME')[1]}
