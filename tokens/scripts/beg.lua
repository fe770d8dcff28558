-- KEYS: offers of tasks. ARGV: incarnation that asks, prefix of channels, request. The request goes to the best of the tasks' best
-- offers, and to the next one where nobody listens there. Mostly nobody has offered anything: one look.
if redis.call('EXISTS', unpack(KEYS)) == 0 then return 0 end
for _ = 1, 8 do
  local key, who, most
  for i = 1, #KEYS do
    local best = redis.pcall('ZREVRANGE', KEYS[i], 0, 1, 'WITHSCORES')
    for j = 1, #best, 2 do
      local score = tonumber(best[j + 1])
      if best[j] ~= ARGV[1] and (not most or score > most) then key, who, most = KEYS[i], best[j], score end
    end
  end
  if not who then return 0 end
  if redis.call('PUBLISH', ARGV[2] .. who, ARGV[3]) > 0 then
    redis.call('ZADD', key, most / 2, who)
    return 1
  end
  redis.call('ZREM', key, who)
end
return 0
