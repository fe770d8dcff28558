/* The tokens of one job under a seeded driver: workers, a network that loses, delays, repeats and reorders, and the
 * table.
 *
 * Workers are killed and stopped; their attempts run on until the guardian's rule ends them (frozen at the lapse, up to
 * 3 s late; killed after half a session). The table is wiped, restarted with stale data, its TIME jumps; N goes up,
 * down, to 0 and back. After every step: no more than N unfrozen attempts; of a lowered N: nothing new starts until it
 * holds. All work ends. Each protection is then taken out, in the script's text or in this driver, and a seed must show
 * it.
 *
 * TOKEN_SIM_SEEDS=n runs more seeds, TOKEN_SIM_SEED=s one, with its events on stderr. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/heap.h"
#include "base/random.h"
#include "tests/lib/token_table/token_table.h"
#include "tokens/script.h"

enum {
    WORKERS_MAX = 5,
    SLOTS_MAX = 6,
    LEASE_MS = 15000,
    SESSION_MS = 45000,
    STALL_MS = 3000, /* of a guardian */
    LIMIT_SEEN_MS = 2000,
    CHAOS_MS = 150000,
    END_MS = 3000000, /* by then everything must be done */
    SEEDS = 200,
    MUTANT_SEEDS = 400
};

/* What the driver itself leaves out, to show that it is needed. */
typedef struct {
    const char *name;
    const char *rule, *without; /* in sync.lua; NULL: none */
    bool no_freeze, no_fall;
} mutant_t;

typedef enum { ATTEMPT_NONE, ATTEMPT_RUNS, ATTEMPT_FROZEN, ATTEMPT_ENDED } attempt_state_t;

typedef struct {
    attempt_state_t state;
    int64_t left_ms, since_ms;
    uint64_t turn; /* of its end event */
} attempt_t;

typedef enum { WORKER_LIVES, WORKER_STOPPED, WORKER_DEAD } worker_state_t;

typedef struct {
    worker_state_t state;
    tokens_t *tokens;
    char incarnation[TOKENS_INCARNATION_MAX + 1];
    uint64_t turn; /* rises at each stop, death and return: older guardian events are void */
    int64_t away_since_ms, lapse_ms, timer_ms;
    uint64_t limit_version; /* of N, as this worker knows it */
    uint64_t lease_version; /* of N, as the table knew it that gave this worker its lease */
    uint64_t loose_allow;   /* no_fall */
    bool cut;
    unsigned slots;
    attempt_t attempts[SLOTS_MAX];
} worker_t;

typedef enum {
    EVENT_TIMER,
    EVENT_REQUEST,
    EVENT_REPLY,
    EVENT_ERROR,
    EVENT_WAKE,
    EVENT_ATTEMPT_END,
    EVENT_GUARDIAN_FREEZE,
    EVENT_GUARDIAN_KILL,
    EVENT_RETURN,
    EVENT_LIMIT_SEEN,
    EVENT_CREATE,
    EVENT_REDIS_UP,
    EVENT_FAULT
} event_kind_t;

typedef struct {
    heap_node_t node;
    event_kind_t kind;
    unsigned worker, slot;
    uint64_t turn, seq, version;
    char incarnation[TOKENS_INCARNATION_MAX + 1];
    tokens_request_t request;
    tokens_reply_t reply;
} event_t;

typedef struct {
    random_t random;
    heap_t events;
    int64_t now_ms, time_off_ms, jumped_ms;
    token_table_t *table;
    token_table_image_t *first, *image; /* as it was before any worker came, and at some later time */
    const mutant_t *mutant;
    bool redis_down, loud, calm;
    int64_t idle_since_ms, idle_ms_max; /* a token is free and work waits: since when, and the longest time */
    unsigned runs_n, workers_n, incarnations_n;
    uint64_t item_ms_max;
    int64_t latency_min_ms, latency_max_ms;
    unsigned loss_percent, repeat_percent;
    uint64_t n, n_version, n_first, cap;
    uint64_t table_version; /* the highest that the table was told since it lost its data */
    unsigned faults;        /* a bit each that this seed has */
    int64_t fault_every_ms;
    bool mended;
    char nonce[NONCE_MAX + 1];
    uint64_t pending, done;
    worker_t workers[WORKERS_MAX];
    char violation[200];
} sim_t;

static void say(const sim_t *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(const sim_t *s, const char *format, ...)
{
    if (!s->loud)
        return;
    va_list args;
    va_start(args, format);
    fprintf(stderr, "%8.3f ", (double)s->now_ms / 1000);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
}

static uint64_t below(sim_t *s, uint64_t n)
{
    return random_below(&s->random, n);
}

static int64_t between(sim_t *s, int64_t from, int64_t to)
{
    return from + (int64_t)below(s, (uint64_t)(to - from + 1));
}

static bool chance(sim_t *s, unsigned percent)
{
    return below(s, 100) < percent;
}

static event_t *at(sim_t *s, int64_t when_ms, event_kind_t kind, unsigned worker)
{
    event_t *e = calloc(1, sizeof *e);
    if (e == NULL)
        abort();
    e->kind = kind;
    e->worker = worker;
    e->turn = s->workers[worker].turn;
    snprintf(e->incarnation, sizeof e->incarnation, "%s", s->workers[worker].incarnation);
    if (!heap_put(&s->events, &e->node, when_ms))
        abort();
    return e;
}

static bool chaos(const sim_t *s)
{
    return s->now_ms < CHAOS_MS && !s->calm;
}

/* A message's time on the way; sometimes far behind later ones. */
static int64_t latency(sim_t *s)
{
    if (chaos(s) && chance(s, 3))
        return between(s, 0, 40000);
    return between(s, s->latency_min_ms, s->latency_max_ms);
}

/* Attempts. */

static void attempt_run(sim_t *s, unsigned w, unsigned slot)
{
    attempt_t *a = &s->workers[w].attempts[slot];
    a->state = ATTEMPT_RUNS;
    a->since_ms = s->now_ms;
    event_t *e = at(s, s->now_ms + a->left_ms, EVENT_ATTEMPT_END, w);
    e->slot = slot;
    e->seq = ++a->turn;
}

static void attempt_freeze(sim_t *s, attempt_t *a)
{
    if (a->state != ATTEMPT_RUNS)
        return;
    a->state = ATTEMPT_FROZEN;
    a->left_ms -= s->now_ms - a->since_ms;
    a->turn++;
}

/* Its item runs again. */
static void attempt_kill(sim_t *s, attempt_t *a)
{
    if (a->state == ATTEMPT_NONE)
        return;
    a->state = ATTEMPT_NONE;
    a->turn++;
    s->pending++;
}

static void freeze_all(sim_t *s, worker_t *w)
{
    for (unsigned i = 0; i < w->slots && !s->mutant->no_freeze; i++)
        attempt_freeze(s, &w->attempts[i]);
}

static void kill_all(sim_t *s, worker_t *w)
{
    for (unsigned i = 0; i < w->slots; i++)
        attempt_kill(s, &w->attempts[i]);
}

static uint64_t count(const worker_t *w, attempt_state_t from, attempt_state_t to)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < w->slots; i++)
        n += w->attempts[i].state >= from && w->attempts[i].state <= to;
    return n;
}

static uint64_t in_use(const worker_t *w)
{
    return count(w, ATTEMPT_RUNS, ATTEMPT_FROZEN);
}

/* The worker: what its shell does, in the order in which it does it. */

static void send_request(sim_t *s, unsigned w, const tokens_request_t *request)
{
    say(s, "w%u sends %llu keep %llu want %llu v%llu%s", w, (unsigned long long)request->seq,
        (unsigned long long)request->keep, (unsigned long long)request->want, (unsigned long long)request->n_version,
        request->lease_valid ? "" : " (no lease)");
    if (s->workers[w].cut || (chaos(s) && chance(s, s->loss_percent)))
        return;
    int copies = chaos(s) && chance(s, s->repeat_percent) ? 2 : 1;
    while (copies-- > 0)
        at(s, s->now_ms + latency(s), EVENT_REQUEST, w)->request = *request;
}

static void collect(sim_t *s, worker_t *w)
{
    for (unsigned i = 0; i < w->slots; i++) {
        if (w->attempts[i].state == ATTEMPT_ENDED) {
            w->attempts[i].state = ATTEMPT_NONE;
            s->done++;
        }
    }
}

static void tell_demand(sim_t *s, worker_t *w)
{
    uint64_t keep = in_use(w), room = w->slots - keep;
    tokens_set_demand(w->tokens, keep, keep + (room < s->pending ? room : s->pending), s->now_ms);
}

static void obey(sim_t *s, unsigned index)
{
    worker_t *w = &s->workers[index];
    switch (tokens_verdict(w->tokens, s->now_ms)) {
    case TOKENS_KILL:
        say(s, "w%u kills all", index);
        kill_all(s, w);
        tokens_killed(w->tokens, s->now_ms);
        return;
    case TOKENS_FREEZE:
        freeze_all(s, w);
        break;
    case TOKENS_RUN:
        break;
    }
    uint64_t excess = tokens_excess(w->tokens);
    for (unsigned i = 0; i < w->slots && excess > 0; i++) {
        if (w->attempts[i].state == ATTEMPT_RUNS || w->attempts[i].state == ATTEMPT_FROZEN) {
            say(s, "w%u kills one", index);
            attempt_kill(s, &w->attempts[i]);
            excess--;
        }
    }
    for (unsigned i = 0; i < w->slots && tokens_verdict(w->tokens, s->now_ms) == TOKENS_RUN; i++)
        if (w->attempts[i].state == ATTEMPT_FROZEN)
            attempt_run(s, index, i);
}

static uint64_t may_run(const sim_t *s, const worker_t *w)
{
    uint64_t allow = tokens_allow(w->tokens, s->now_ms);
    if (s->mutant->no_fall && s->n > 0 && tokens_verdict(w->tokens, s->now_ms) == TOKENS_RUN && w->loose_allow > allow)
        return w->loose_allow;
    return allow;
}

static void start_items(sim_t *s, unsigned index)
{
    worker_t *w = &s->workers[index];
    for (unsigned i = 0; i < w->slots && s->pending > 0 && in_use(w) < may_run(s, w); i++) {
        if (w->attempts[i].state != ATTEMPT_NONE)
            continue;
        s->pending--;
        w->attempts[i].left_ms = between(s, 1, (int64_t)s->item_ms_max);
        attempt_run(s, index, i);
        say(s, "w%u starts in %u", index, i);
    }
}

static void step_worker(sim_t *s, unsigned index)
{
    worker_t *w = &s->workers[index];
    if (w->state != WORKER_LIVES)
        return;
    collect(s, w);
    tell_demand(s, w);
    obey(s, index);
    tell_demand(s, w);
    start_items(s, index);
    tell_demand(s, w);
    tokens_request_t request;
    if (tokens_poll(w->tokens, s->now_ms, &request))
        send_request(s, index, &request);
    w->lapse_ms = tokens_lapse_at_ms(w->tokens);
    int64_t next = tokens_next_ms(w->tokens, s->now_ms);
    if (next <= s->now_ms)
        next = s->now_ms + 1;
    if (next < INT64_MAX && (w->timer_ms <= s->now_ms || next < w->timer_ms)) {
        w->timer_ms = next;
        at(s, next, EVENT_TIMER, index);
    }
}

static void start_worker(sim_t *s, unsigned index)
{
    worker_t *w = &s->workers[index];
    tokens_free(w->tokens);
    w->state = WORKER_LIVES;
    w->turn++;
    w->timer_ms = 0;
    w->loose_allow = 0;
    w->lease_version = 0;
    snprintf(w->incarnation, sizeof w->incarnation, "%u", s->incarnations_n++);
    w->tokens = tokens_new("j", w->incarnation, s->nonce, LEASE_MS, s->n_first, s->now_ms);
    if (w->tokens == NULL)
        abort();
    tokens_set_limit(w->tokens, s->n, s->n_version, s->now_ms);
    w->limit_version = s->n_version;
    say(s, "w%u is here as %s", index, w->incarnation);
    step_worker(s, index);
}

static void take_away(sim_t *s, unsigned index, worker_state_t state, int64_t for_ms)
{
    worker_t *w = &s->workers[index];
    if (w->state != WORKER_LIVES)
        return;
    say(s, "w%u is %s for %lld", index, state == WORKER_DEAD ? "killed" : "stopped", (long long)for_ms);
    w->state = state;
    w->turn++;
    w->away_since_ms = s->now_ms;
    if (w->lapse_ms < INT64_MAX) {
        int64_t lapse = w->lapse_ms > s->now_ms ? w->lapse_ms : s->now_ms;
        at(s, lapse + (chance(s, 30) ? between(s, 0, STALL_MS) : 0), EVENT_GUARDIAN_FREEZE, index);
    }
    at(s, s->now_ms + SESSION_MS / 2, EVENT_GUARDIAN_KILL, index);
    at(s, s->now_ms + for_ms, EVENT_RETURN, index); /* one that died is back when its attempts are gone */
}

/* The network and the table. */

static void on_publish(void *arg, const char *channel, const char *message)
{
    sim_t *s = arg;
    const char *incarnation = strrchr(channel, '.') + 1;
    assert_string_equal(message, "j");
    for (unsigned i = 0; i < s->workers_n; i++)
        if (strcmp(s->workers[i].incarnation, incarnation) == 0 && !s->workers[i].cut && !(chaos(s) && chance(s, 20)))
            at(s, s->now_ms + latency(s), EVENT_WAKE, i);
}

static void set_time(sim_t *s)
{
    token_table_set_time_us(s->table, (INT64_C(1700000000000) + s->now_ms + s->time_off_ms) * 1000);
}

static void at_table(sim_t *s, const event_t *e)
{
    if (s->redis_down) {
        if (chance(s, 50)) {
            event_t *error = at(s, s->now_ms + latency(s), EVENT_ERROR, e->worker);
            error->seq = e->request.seq;
            snprintf(error->incarnation, sizeof error->incarnation, "%s", e->incarnation);
        }
        return;
    }
    tokens_reply_t reply;
    fanmap_error_t err;
    set_time(s);
    if (e->request.n_version > s->table_version)
        s->table_version = e->request.n_version;
    if (token_table_sync(s->table, &e->request, &reply, &err) != FANMAP_OK)
        fail_msg("%s", err.message);
    say(s, "table: %s/%llu allow %llu held %llu%s%s v%llu", e->incarnation, (unsigned long long)e->request.seq,
        (unsigned long long)reply.allow, (unsigned long long)reply.held, reply.learning ? " learning" : "",
        reply.waiters ? " waiters" : "", (unsigned long long)reply.n_version);
    if (s->workers[e->worker].cut || (chaos(s) && chance(s, s->loss_percent)))
        return;
    int copies = chaos(s) && chance(s, s->repeat_percent) ? 2 : 1;
    while (copies-- > 0) {
        event_t *r = at(s, s->now_ms + latency(s), EVENT_REPLY, e->worker);
        r->seq = e->request.seq;
        r->reply = reply;
        r->version = s->table_version;
        snprintf(r->incarnation, sizeof r->incarnation, "%s", e->incarnation);
    }
}

/* Faults. */

static void set_limit(sim_t *s, uint64_t n)
{
    say(s, "N is %llu", (unsigned long long)n);
    s->n = n;
    s->n_version++;
    for (unsigned i = 0; i < s->workers_n; i++)
        at(s, s->now_ms + between(s, 0, LIMIT_SEEN_MS), EVENT_LIMIT_SEEN, i);
}

/* Sometimes with a worker of the same machine. */
static void restart_redis(sim_t *s)
{
    if (chance(s, 50))
        take_away(s, (unsigned)below(s, s->workers_n), WORKER_DEAD, between(s, 1, 1000));
    char run_id[16];
    snprintf(run_id, sizeof run_id, "run%u", ++s->runs_n);
    token_table_set_run_id(s->table, run_id);
    token_table_image_t *image = s->image == NULL || chance(s, 50) ? s->first : s->image;
    if (chance(s, 60))
        assert_true(token_table_restore(s->table, image));
    else if (chance(s, 50))
        token_table_flush(s->table);
    s->redis_down = true;
    s->table_version = 0;
    say(s, "redis restarts as %s", run_id);
    at(s, s->now_ms + (chance(s, 50) ? between(s, 1, 100) : between(s, 1, 10000)), EVENT_REDIS_UP, 0);
}

static void flush(sim_t *s)
{
    say(s, "FLUSHALL");
    s->table_version = 0;
    token_table_flush(s->table);
    if (chance(s, 50)) /* one of the producer's tries for this job, held up since then */
        at(s, s->now_ms + between(s, 1, 3000), EVENT_CREATE, 0);
}

static void choose_network(sim_t *s)
{
    static const int64_t kinds[][2] = {{1, 20}, {1, 20}, {1, 20}, {50, 500}, {500, 3000}, {1000, 6000}};
    const int64_t *kind = kinds[below(s, sizeof kinds / sizeof kinds[0])];
    s->latency_min_ms = kind[0] / 2;
    s->latency_max_ms = kind[1] / 2; /* each way */
    s->loss_percent = (unsigned)below(s, 3) * 10;
    s->repeat_percent = (unsigned)below(s, 3) * 10;
}

static void save(sim_t *s)
{
    token_table_image_free(s->image);
    s->image = token_table_save(s->table);
    assert_non_null(s->image);
}

static void jump(sim_t *s)
{
    if (s->now_ms < s->jumped_ms + 2 * LEASE_MS)
        return; /* several within a lease: a hole that the docs name */
    s->jumped_ms = s->now_ms;
    s->time_off_ms += between(s, -100000, 100000);
    say(s, "TIME jumps to %+lld", (long long)s->time_off_ms);
}

static void fault(sim_t *s)
{
    unsigned w = (unsigned)below(s, s->workers_n), kind = (unsigned)below(s, 10);
    if ((s->faults & 1u << kind) == 0)
        return;
    switch (kind) {
    case 0:
        take_away(s, w, WORKER_DEAD, chance(s, 50) ? between(s, 1, 2000) : between(s, 1, 40000));
        break;
    case 1:
    case 2:
        take_away(s, w, WORKER_STOPPED, chance(s, 50) ? between(s, 1, 9000) : between(s, 1, 90000));
        break;
    case 3:
        flush(s);
        break;
    case 4:
        restart_redis(s);
        break;
    case 5:
        jump(s);
        break;
    case 6:
        set_limit(s, chance(s, 25) ? 0 : 1 + below(s, 8));
        break;
    case 7:
        s->workers[w].cut = !s->workers[w].cut;
        say(s, "w%u %s", w, s->workers[w].cut ? "is cut off" : "is back");
        break;
    case 8:
        choose_network(s);
        break;
    default:
        save(s);
        if (chance(s, 50))
            restart_redis(s);
        break;
    }
}

/* After the chaos everything is mended once, and the work must end. */
static void mend(sim_t *s)
{
    s->mended = true;
    s->pending = 50;
    s->latency_min_ms = 1;
    s->latency_max_ms = 20;
    for (unsigned i = 0; i < s->workers_n; i++)
        s->workers[i].cut = false;
    if (s->n == 0)
        set_limit(s, 3);
}

/* Events. */

static void on_return(sim_t *s, unsigned index)
{
    worker_t *w = &s->workers[index];
    bool anew = w->state == WORKER_DEAD || s->now_ms - w->away_since_ms > SESSION_MS / 2;
    if (anew) {
        kill_all(s, w);
        start_worker(s, index);
        return;
    }
    w->state = WORKER_LIVES;
    w->turn++;
    say(s, "w%u goes on", index);
    if (w->limit_version < s->n_version)
        at(s, s->now_ms + between(s, 0, LIMIT_SEEN_MS), EVENT_LIMIT_SEEN, index);
    step_worker(s, index);
}

static void on_attempt_end(sim_t *s, const event_t *e)
{
    worker_t *w = &s->workers[e->worker];
    attempt_t *a = &w->attempts[e->slot];
    if (a->state != ATTEMPT_RUNS || a->turn != e->seq)
        return;
    a->state = ATTEMPT_ENDED;
    if (w->state == WORKER_DEAD)
        attempt_kill(s, a); /* nobody publishes its outcome */
    step_worker(s, e->worker);
}

static void on_reply(sim_t *s, const event_t *e)
{
    worker_t *w = &s->workers[e->worker];
    if (e->kind == EVENT_REPLY) {
        tokens_on_reply(w->tokens, e->seq, &e->reply, s->now_ms);
        if (!e->reply.learning) {
            w->loose_allow = e->reply.allow;
            w->lease_version = e->version;
        }
    } else {
        tokens_on_error(w->tokens, e->seq, s->now_ms);
    }
    step_worker(s, e->worker);
}

/* What comes to a stopped worker waits in its socket. */
static bool put_off(sim_t *s, event_t *e)
{
    const worker_t *w = &s->workers[e->worker];
    if (w->state != WORKER_STOPPED || strcmp(w->incarnation, e->incarnation) != 0)
        return false;
    return heap_put(&s->events, &e->node, s->now_ms + 200);
}

static void see_limit(sim_t *s, unsigned index)
{
    worker_t *w = &s->workers[index];
    if (w->state != WORKER_LIVES)
        return;
    tokens_set_limit(w->tokens, s->n, s->n_version, s->now_ms);
    w->limit_version = s->n_version;
    step_worker(s, index);
}

/* True: the event was put off and lives on. */
static bool handle(sim_t *s, event_t *e)
{
    worker_t *w = &s->workers[e->worker];
    bool same_turn = e->turn == w->turn, same_worker = strcmp(w->incarnation, e->incarnation) == 0;
    bool created;
    switch (e->kind) {
    case EVENT_TIMER:
        if (same_worker)
            step_worker(s, e->worker);
        break;
    case EVENT_REQUEST:
        at_table(s, e);
        break;
    case EVENT_REPLY:
    case EVENT_ERROR:
    case EVENT_WAKE:
        if (put_off(s, e))
            return true;
        if (!same_worker || w->state != WORKER_LIVES)
            break;
        if (e->kind != EVENT_WAKE) {
            on_reply(s, e);
            break;
        }
        tokens_wake(w->tokens, s->now_ms);
        step_worker(s, e->worker);
        break;
    case EVENT_ATTEMPT_END:
        on_attempt_end(s, e);
        break;
    case EVENT_GUARDIAN_FREEZE:
        if (same_turn)
            freeze_all(s, w);
        break;
    case EVENT_GUARDIAN_KILL:
        if (same_turn)
            kill_all(s, w);
        break;
    case EVENT_RETURN:
        if (same_turn)
            on_return(s, e->worker);
        break;
    case EVENT_LIMIT_SEEN:
        see_limit(s, e->worker);
        break;
    case EVENT_CREATE:
        set_time(s);
        if (!s->redis_down)
            assert_int_equal(token_table_create(s->table, "j", "another try", s->n_first, LEASE_MS, &created, NULL),
                             FANMAP_OK);
        break;
    case EVENT_REDIS_UP:
        s->redis_down = false;
        break;
    case EVENT_FAULT:
        if (s->calm)
            break;
        if (!chaos(s)) {
            mend(s);
            break;
        }
        fault(s);
        at(s, s->now_ms + between(s, 1, s->fault_every_ms), EVENT_FAULT, 0);
        break;
    }
    return false;
}

/* Whether somebody may still act by an older N. */
static bool someone_behind(const sim_t *s)
{
    for (unsigned i = 0; i < s->workers_n; i++) {
        const worker_t *w = &s->workers[i];
        bool may_act = w->state == WORKER_LIVES || count(w, ATTEMPT_RUNS, ATTEMPT_ENDED) > 0 || s->now_ms < w->lapse_ms;
        if (w->limit_version < s->n_version && w->lease_version < s->n_version && may_act)
            return true;
    }
    return false;
}

static void check(sim_t *s)
{
    uint64_t running = 0, attempts = 0;
    for (unsigned i = 0; i < s->workers_n; i++) {
        running += count(&s->workers[i], ATTEMPT_RUNS, ATTEMPT_RUNS);
        attempts += in_use(&s->workers[i]);
    }
    uint64_t limit = s->n > 0 ? s->n : UINT64_MAX;
    if (someone_behind(s))
        s->cap = limit > s->cap ? limit : s->cap;
    else if (s->cap > attempts)
        s->cap = attempts > limit ? attempts : limit;
    else if (s->cap < limit)
        s->cap = limit;
    if (running > s->cap && s->violation[0] == '\0')
        snprintf(s->violation, sizeof s->violation, "at %.3f s: %llu run, %llu may (N %llu)", (double)s->now_ms / 1000,
                 (unsigned long long)running, (unsigned long long)s->cap, (unsigned long long)s->n);
}

static void watch_idle(sim_t *s)
{
    uint64_t running = 0, slots = 0;
    for (unsigned i = 0; i < s->workers_n; i++) {
        running += count(&s->workers[i], ATTEMPT_RUNS, ATTEMPT_RUNS);
        slots += s->workers[i].state == WORKER_LIVES ? s->workers[i].slots : 0;
    }
    bool begun = s->now_ms > 2 * LEASE_MS; /* the table may have to learn first */
    if (!begun || s->pending == 0 || running >= s->n || running >= slots)
        s->idle_since_ms = INT64_MAX;
    else if (s->idle_since_ms == INT64_MAX)
        s->idle_since_ms = s->now_ms;
    else if (s->now_ms - s->idle_since_ms > s->idle_ms_max)
        s->idle_ms_max = s->now_ms - s->idle_since_ms;
}

static char *mutated_text(const mutant_t *m)
{
    if (m->rule == NULL)
        return strdup(script_sync_text);
    const char *found = strstr(script_sync_text, m->rule);
    if (found == NULL || strstr(found + 1, m->rule) != NULL)
        fail_msg("%s: sync.lua does not have this rule once: %s", m->name, m->rule);
    size_t before = (size_t)(found - script_sync_text);
    size_t cap = strlen(script_sync_text) + strlen(m->without) + 1;
    char *text = malloc(cap);
    assert_non_null(text);
    snprintf(text, cap, "%.*s%s%s", (int)before, script_sync_text, m->without, found + strlen(m->rule));
    return text;
}

static void begin(sim_t *s, uint64_t seed, const mutant_t *mutant)
{
    random_seed(&s->random, seed);
    s->mutant = mutant;
    s->now_ms = between(s, 0, 1000);
    s->workers_n = 2 + (unsigned)below(s, WORKERS_MAX - 1);
    s->n = s->n_first = chance(s, 10) ? 0 : 1 + below(s, 8);
    s->cap = s->n > 0 ? s->n : UINT64_MAX;
    s->item_ms_max = (uint64_t[]){50, 500, 5000, 40000}[below(s, 4)];
    s->pending = UINT32_MAX; /* there is always work, until the chaos ends */
    choose_network(s);
    char *text = mutated_text(mutant);
    token_table_config_t config = {.name_space = "sim", .sync_text = text, .publish = on_publish, .publish_arg = s};
    fanmap_error_t err;
    if (token_table_new(&config, &s->table, &err) != FANMAP_OK)
        fail_msg("%s", err.message);
    free(text);
    bool created = false;
    set_time(s);
    snprintf(s->nonce, sizeof s->nonce, s->n > 0 ? "told" : "");
    if (s->n > 0 && chance(s, 80)) /* else Redis was away: a nonce that it never saw */
        assert_int_equal(token_table_create(s->table, "j", s->nonce, s->n, LEASE_MS, &created, NULL), FANMAP_OK);
    s->first = token_table_save(s->table);
    assert_non_null(s->first);
    for (unsigned i = 0; i < s->workers_n; i++) {
        s->workers[i].slots = 1 + (unsigned)below(s, SLOTS_MAX);
        s->workers[i].state = WORKER_DEAD;
        s->workers[i].limit_version = s->n_version;
        at(s, s->now_ms + (s->calm || chance(s, 80) ? 0 : between(s, 0, 60000)), EVENT_RETURN, i);
    }
    s->faults = (unsigned)(random_next(&s->random) | random_next(&s->random));
    s->fault_every_ms = (int64_t[]){2000, 8000, 20000}[below(s, 3)];
    at(s, s->now_ms + between(s, 1, s->fault_every_ms), EVENT_FAULT, 0);
}

static void end(sim_t *s)
{
    for (heap_node_t *n; (n = heap_pop(&s->events)) != NULL;)
        free(heap_of(n, event_t, node));
    heap_free(&s->events);
    for (unsigned i = 0; i < s->workers_n; i++)
        tokens_free(s->workers[i].tokens);
    token_table_image_free(s->first);
    token_table_image_free(s->image);
    token_table_free(s->table);
}

static bool all_done(const sim_t *s)
{
    uint64_t left = s->pending;
    for (unsigned i = 0; i < s->workers_n; i++)
        left += count(&s->workers[i], ATTEMPT_RUNS, ATTEMPT_ENDED);
    return s->calm ? s->now_ms > CHAOS_MS : s->mended && left == 0;
}

static void run_events(sim_t *s)
{
    heap_node_t *node;
    while (!all_done(s) && s->violation[0] == '\0' && (node = heap_pop(&s->events)) != NULL) {
        event_t *e = heap_of(node, event_t, node);
        if (node->key > s->now_ms)
            s->now_ms = node->key;
        if (s->now_ms > END_MS)
            snprintf(s->violation, sizeof s->violation, "not done at %d s", END_MS / 1000);
        watch_idle(s);
        if (!handle(s, e))
            free(e);
        check(s);
        for (unsigned i = 0; i < s->workers_n && s->pending > 0; i++) /* items are there for whoever has room */
            if (s->workers[i].timer_ms <= s->now_ms && in_use(&s->workers[i]) < s->workers[i].slots)
                step_worker(s, i);
        check(s);
        watch_idle(s);
    }
    if (!all_done(s) && s->violation[0] == '\0')
        snprintf(s->violation, sizeof s->violation, "stands still at %.3f s", (double)s->now_ms / 1000);
    say(s, "%llu done. %s", (unsigned long long)s->done, s->violation);
}

/* "" or what went wrong. */
static void simulate(uint64_t seed, const mutant_t *mutant, bool loud, char *ret_violation, size_t cap)
{
    sim_t *s = calloc(1, sizeof *s);
    assert_non_null(s);
    s->loud = loud;
    begin(s, seed, mutant);
    run_events(s);
    snprintf(ret_violation, cap, "%s", s->violation);
    end(s);
    free(s);
}

static const mutant_t whole = {.name = "whole"};

static uint64_t number_from_env(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

static void test_seeds(void **state)
{
    (void)state;
    char violation[200];
    uint64_t first = number_from_env("TOKEN_SIM_SEED", 0);
    uint64_t seeds = first > 0 ? 1 : number_from_env("TOKEN_SIM_SEEDS", SEEDS);
    for (uint64_t i = 0; i < seeds; i++) {
        uint64_t seed = first > 0 ? first : i + 1;
        simulate(seed, &whole, first > 0, violation, sizeof violation);
        if (violation[0] != '\0')
            fail_msg("%s; to see it: TOKEN_SIM_SEED=%llu test_token_sim", violation, (unsigned long long)seed);
    }
}

/* No faults, a network of 1 to 10 ms each way: how long a token lies idle while there is work and room, anywhere. */
static void test_a_freed_place_is_filled(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        sim_t *s = calloc(1, sizeof *s);
        assert_non_null(s);
        s->calm = true;
        s->loud = number_from_env("TOKEN_SIM_CALM", 0) == seed;
        s->idle_since_ms = INT64_MAX;
        begin(s, seed, &whole);
        s->latency_min_ms = 1;
        s->latency_max_ms = 10;
        run_events(s);
        if (s->violation[0] != '\0' || s->idle_ms_max > 300)
            fail_msg("seed %llu: idle for %lld ms. %s", (unsigned long long)seed, (long long)s->idle_ms_max,
                     s->violation);
        print_message("seed %llu: N %llu, items up to %llu ms, idle for %lld ms\n", (unsigned long long)seed,
                      (unsigned long long)s->n, (unsigned long long)s->item_ms_max, (long long)s->idle_ms_max);
        end(s);
        free(s);
    }
}

static void test_a_seed_repeats_itself(void **state)
{
    (void)state;
    static const mutant_t m = {.name = "no freeze", .no_freeze = true};
    char first[200] = "", again[200];
    uint64_t seed = 0;
    while (first[0] == '\0' && seed < MUTANT_SEEDS)
        simulate(++seed, &m, false, first, sizeof first);
    simulate(seed, &m, false, again, sizeof again);
    assert_string_equal(first, again);
}

/* Each without one protection. */
static const mutant_t mutants[] = {
    {.name = "freeze", .no_freeze = true},
    {.name = "allow falls first", .no_fall = true},
    {.name = "nonce", .rule = "head.nonce ~= nonce -- also", .without = "head.nonce == nil -- also"},
    {.name = "run id", .rule = "or head.run ~= run", .without = ""},
    {.name = "learning",
     .rule = "rows, clock, learn, drain = {}, 0, lease, false",
     .without = "rows, clock, learn, drain = {}, 0, 0, false"},
    {.name = "seq", .rule = "me ~= nil and seq <= me.seq", .without = "false"},
    {.name = "no cut", .rule = "allow = me.target\n", .without = "allow = me.target me.held = me.target\n"},
    {.name = "clock cap", .rule = "math.min(now - last, math.floor(lease / 5))", .without = "now - last"},
    {.name = "drain", .rule = "local draining = sum > n", .without = "n = math.max(n, sum) local draining = false"},
    {.name = "z", .rule = "or z > number(head.z)", .without = ""},
    {.name = "N version", .rule = "number(head.nv) >= n_version", .without = "false"},
};

static void test_each_protection_is_needed(void **state)
{
    (void)state;
    char survivors[200] = "";
    for (size_t i = 0; i < sizeof mutants / sizeof mutants[0]; i++) {
        char violation[200] = "";
        uint64_t seed = 0;
        while (violation[0] == '\0' && seed < MUTANT_SEEDS)
            simulate(++seed, &mutants[i], false, violation, sizeof violation);
        print_message("without %s: seed %llu, %s\n", mutants[i].name, (unsigned long long)seed, violation);
        if (violation[0] == '\0')
            snprintf(survivors + strlen(survivors), sizeof survivors - strlen(survivors), "%s; ", mutants[i].name);
    }
    assert_string_equal(survivors, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seeds),
        cmocka_unit_test(test_a_freed_place_is_filled),
        cmocka_unit_test(test_a_seed_repeats_itself),
        cmocka_unit_test(test_each_protection_is_needed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
