-- One sync of one worker with one job's token table. This text runs in Redis, in the tests and in the simulation.
--
-- The story: the worker says what it uses (keep) and could use (want); the table answers what it holds for it (held) and
-- how many attempts it may run (allow). The same call acquires, renews, returns and beats. What is free is never stored: it
-- is N less the sum of the rows. A table that cannot vouch for its own past (new, wiped, restarted, rolled back) learns for
-- one lease: it believes what workers with a valid lease say they use, and grants nothing.
--
-- KEYS[1]  the table, a hash: nonce, clock, last, run, learn, fence, n, nv, z, drain, pace, and a row r:INCARNATION a worker
-- ARGV     1 incarnation  2 seq  3 nonce  4 n  5 n_version  6 z  7 fence_seen  8 lease_valid  9 keep  10 want
--          11 lease_ms  12 the prefix of wake-up channels  13 job (what a wake-up says)
--          14 starts  15 start_every_us: so many places for starts are asked for, so far apart (starts.h)
-- reply    {allow, held, learning, waiters, fence, n_version, run_id, free, starts, start_in_us}
--
-- Numbers are written with %.0f: tostring(1.7e12) would give an exponent.

local LARGEST = 9007199254740992 -- 2^53
local DAY_MS = 86400000
local SECOND = 1000000 -- how far ahead places for starts are given away, and how late they may be used, in us

local function number(text)
    return math.max(0, math.min(tonumber(text) or 0, LARGEST))
end

local function whole(value)
    return string.format('%.0f', math.min(value, LARGEST))
end

local incarnation, seq, nonce = ARGV[1], number(ARGV[2]), ARGV[3]
local n, n_version, z = number(ARGV[4]), number(ARGV[5]), number(ARGV[6])
local fence_seen, lease_valid = number(ARGV[7]), ARGV[8] == '1'
local keep, lease = number(ARGV[9]), math.max(1, number(ARGV[11]))
local want = math.max(keep, number(ARGV[10]))
local starts, every = number(ARGV[14]), number(ARGV[15])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)') or ''

-- A key of another type is nobody's table: it is deleted, and the new one learns.
local function read_table()
    local flat = redis.pcall('HGETALL', KEYS[1])
    if flat.err and string.find(flat.err, 'WRONGTYPE', 1, true) then
        redis.call('DEL', KEYS[1])
        flat = {}
    elseif flat.err then
        flat = redis.call('HGETALL', KEYS[1])
    end
    local head, rows = {}, {}
    for i = 1, #flat, 2 do
        local name = string.match(flat[i], '^r:(.*)$')
        if name then
            local held, expiry, wanted, service, row_seq =
                string.match(flat[i + 1], '^(%d+) (%d+) (%d+) (%d+) (%d+)$')
            if held then
                rows[name] = { name = name, held = number(held), expiry = number(expiry), want = number(wanted),
                               service = number(service), seq = number(row_seq) }
            end
        else
            head[flat[i]] = flat[i + 1]
        end
    end
    return head, rows
end

-- The logical clock: a jump of TIME moves it by a fifth of a lease at most, and never back.
local function advance(clock, last)
    return clock + math.max(0, math.min(now - last, math.floor(lease / 5)))
end

-- Whether the table's past cannot be relied on.
local function must_learn(head, learning)
    return head.nonce ~= nonce -- also when there is no table
        or head.run ~= run
        or z > number(head.z)
        or (not learning and fence_seen > number(head.fence))
        or (number(head.n) == LARGEST and n < LARGEST) -- who runs without a limit need not have said so
end

local head, rows = read_table()
local clock = advance(number(head.clock), number(head.last))
local learn, fence, drain = number(head.learn), number(head.fence), head.drain == '1'
local pace = number(head.pace) -- the next place for a start that nobody was given, in us of the clock

if head.nonce == nonce and number(head.nv) >= n_version then -- N of the highest version counts
    n, n_version = number(head.n), number(head.nv)
end
if n == 0 then -- no limit: only the rate is kept
    n = LARGEST
end
if must_learn(head, clock < learn) then
    redis.call('DEL', KEYS[1])
    rows, clock, learn, drain = {}, 0, lease, false
    fence = math.max(now, fence_seen, fence)
    pace = every + 2 * SECOND -- behind whatever was given before, and used late
end
if head.nonce == nonce then
    z = math.max(z, number(head.z))
end
local learning = clock < learn
fence = math.max(fence, fence_seen)

for name, row in pairs(rows) do
    if row.expiry <= clock then
        redis.call('HDEL', KEYS[1], 'r:' .. name)
        rows[name] = nil
    end
end

-- Token-milliseconds so far. A row was last brought up to date one lease before its expiry.
local function served(row)
    return row.service + row.held * math.max(0, clock - (row.expiry - lease))
end

local function least_served()
    local least
    for _, row in pairs(rows) do
        least = math.min(least or LARGEST, served(row))
    end
    return least or 0
end

local me = rows[incarnation]
local repeated = me ~= nil and seq <= me.seq -- a request that was already answered, or overtaken, changes nothing

-- The next places, as far as they are within a second; else how long until there is one.
local function give_starts()
    local first, clock_us = math.max(pace, clock * 1000), clock * 1000
    local room = clock_us + SECOND - first
    if room < 0 then
        return 0, -room
    end
    local given = math.min(starts, math.floor(room / every) + 1)
    pace = first + given * every
    return given, first - clock_us
end
local given, start_in = 0, 0
if every > 0 and starts > 0 and not repeated then
    given, start_in = give_starts()
end
if every > 0 then -- without a place no token is of use
    want = math.max(keep, want - math.max(0, starts - given))
end

local began_to_want = not me or want > me.want
if not repeated then
    local row = me and me.held or 0
    local service = me and served(me) or least_served()
    local held = math.min(row, keep)
    if learning and lease_valid then
        held = keep
    end
    me = { name = incarnation, held = held, expiry = clock + lease, want = want, service = service, seq = seq }
    rows[incarnation] = me
end

local list, sum = {}, 0
for _, row in pairs(rows) do
    list[#list + 1] = row
    sum = sum + row.held
end

-- Max-min fair share of N over wants: whoever wants less than an even share gets all of it, the rest share evenly, and
-- the remainder goes to who was served least. Served is compared in steps, so that two rows do not swap at every sync.
local function share_out()
    local left, rest = #list, n
    table.sort(list, function(a, b)
        if a.want ~= b.want then
            return a.want < b.want
        end
        return a.name < b.name
    end)
    local level_at = #list + 1
    for i, row in ipairs(list) do
        if row.want * left > rest then
            level_at = i
            break
        end
        row.target, rest, left = row.want, rest - row.want, left - 1
    end
    if level_at > #list then
        return
    end
    local level, above, step = math.floor(rest / left), {}, math.max(1, math.floor(lease / 5))
    for i = level_at, #list do
        list[i].target, list[i].rank = level, math.floor(served(list[i]) / step)
        above[#above + 1] = list[i]
    end
    table.sort(above, function(a, b)
        if a.rank ~= b.rank then
            return a.rank < b.rank
        elseif a.held ~= b.held then
            return a.held > b.held
        end
        return a.name < b.name
    end)
    for i = 1, rest - level * left do
        above[i].target = above[i].target + 1
    end
end
share_out()

-- Wake-ups are hints; the heartbeat is the truth. The neediest first, `most` of them.
local function wake(most, gap)
    local chosen = {}
    for _, row in ipairs(list) do
        if row ~= me and gap(row) > 0 then
            chosen[#chosen + 1] = row
        end
    end
    table.sort(chosen, function(a, b)
        if gap(a) ~= gap(b) then
            return gap(a) > gap(b)
        end
        return a.name < b.name
    end)
    for i = 1, math.min(most, #chosen) do
        redis.pcall('PUBLISH', ARGV[12] .. chosen[i].name, ARGV[13])
    end
end

local allow = me.held
local draining = sum > n -- attempts under an older, higher N still hold tokens
if draining then
    allow = 0
elseif not learning then
    if me.target < me.held then
        allow = me.target
    elseif not repeated then
        local grant = math.min(me.target - me.held, n - sum)
        me.held, sum = me.held + grant, sum + grant
        allow = me.held
    end
    if drain then
        wake(#list, function(row) return row.held + row.want end)
    elseif n > sum then
        wake(n - sum, function(row) return row.target - row.held end)
    elseif began_to_want and me.target > me.held then
        wake(me.target - me.held, function(row) return row.held - row.target end)
    end
end
if not repeated and not learning then
    fence = fence + 1
end

local waiters = 0
for _, row in ipairs(list) do
    if row ~= me and row.want > row.held then
        waiters = 1
    end
end

redis.call('HSET', KEYS[1], 'nonce', nonce, 'clock', whole(clock), 'last', whole(now), 'run', run, 'learn', whole(learn),
    'fence', whole(fence), 'n', whole(n), 'nv', whole(n_version), 'z', whole(z),
    'drain', (draining or (drain and learning)) and '1' or '0', 'pace', whole(pace), 'r:' .. incarnation,
    string.format('%s %s %s %s %s', whole(me.held), whole(me.expiry), whole(me.want), whole(me.service), whole(me.seq)))
redis.call('PEXPIRE', KEYS[1], whole(math.max(DAY_MS, 20 * lease)))

return { allow, me.held, learning and 1 or 0, waiters, fence, n_version, run,
    learning and 0 or math.max(0, n - sum), given, start_in }
