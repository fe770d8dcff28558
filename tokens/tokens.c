/* The worker's side of a job's tokens.
 *
 * The happy path: demand appears, a request leaves, its reply says how many attempts may run; every fifth of a lease
 * the next one renews that. A place that frees and cannot be used again is given back at once.
 *
 * What can fail. A reply is lost or late: what may run fell before the request left, so the table may believe that we
 * use more than we do, never less. No reply for half a lease: everything is frozen, half a lease before the table would
 * give our tokens to others. Redis lost its data: the table learns, and only our own valid lease keeps what runs. N
 * changes: nothing starts until a table that is not learning has seen the new N. */
#include "tokens/tokens.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/invariant.h"

enum {
    KILL_AFTER_MS = 60000,  /* frozen for so long, attempts are killed and run again */
    AT_ONCE_EVERY_MS = 100, /* syncs beside the heartbeat: ten a second, */
    AT_ONCE_BURST = 3,      /* of which so many may come together */
    UNUSED_LINGER_MS = 100, /* how long an unused token is kept while nobody is known to wait for it */
    RETRY_MS_MIN = 50,
    RETRY_MS_MAX = 1000
};

struct tokens {
    char job[JOB_ID_MAX + 1], incarnation[TOKENS_INCARNATION_MAX + 1], nonce[NONCE_MAX + 1];
    int64_t lease_ms;
    uint64_t n, n_version, z;
    uint64_t keep, want;
    starts_t starts;

    /* The lease. */
    uint64_t allow;
    uint64_t held; /* by the last reply; UINT64_MAX: not known, everything that runs is kept */
    uint64_t free; /* likewise: held by nobody */
    int64_t deadline_ms;
    uint64_t fence;
    bool waiters, kill;
    char run_id[TOKENS_RUN_ID_MAX + 1];
    bool has_lease; /* there was a reply by a table that was not learning, which had this version of N: */
    uint64_t lease_version;
    bool new_limit; /* n is newer than the lease: start nothing */

    /* The request in flight, and when the next is due. */
    uint64_t seq;
    bool in_flight, slow; /* slow: a request timed out and no quick reply came since */
    int64_t sent_ms, retry_ms;
    uint64_t sent_version; /* of n in the last request */
    uint64_t sent_want;
    bool sent_idle;          /* the table holds nothing for us and knows that we want nothing */
    bool wants_sync;         /* a wake-up or a change wants a sync at once */
    int64_t unused_since_ms; /* INT64_MAX: no token is unused */
    int64_t at_once_ms;      /* from when on the full burst is available again */
};

tokens_t *tokens_new(const char *job, const char *incarnation, const char *nonce, uint32_t lease_ms, uint64_t n,
                     int64_t now_ms)
{
    tokens_t *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    snprintf(t->job, sizeof t->job, "%s", job);
    snprintf(t->incarnation, sizeof t->incarnation, "%s", incarnation);
    snprintf(t->nonce, sizeof t->nonce, "%s", nonce);
    t->lease_ms = lease_ms > 0 ? lease_ms : 1;
    t->n = n;
    t->deadline_ms = now_ms;
    t->sent_idle = true;
    t->unused_since_ms = INT64_MAX;
    return t;
}

void tokens_set_rate(tokens_t *t, uint64_t every_us, bool is_apart)
{
    starts_init(&t->starts, every_us, is_apart);
}

void tokens_set_starts(tokens_t *t, uint64_t n)
{
    t->starts.wanted = n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

uint64_t tokens_starts(const tokens_t *t, int64_t now_ms)
{
    return t->starts.every_us > 0 ? starts_in_hand(&t->starts, now_ms) + starts_to_ask(&t->starts, now_ms) : UINT64_MAX;
}

bool tokens_may_start(const tokens_t *t, int64_t now_ms)
{
    return starts_may(&t->starts, now_ms);
}

void tokens_started(tokens_t *t, int64_t now_ms)
{
    starts_used(&t->starts, now_ms);
}

/* There is something to ask the table for. */
static bool is_on(const tokens_t *t)
{
    return t->n > 0 || t->starts.every_us > 0;
}

void tokens_free(tokens_t *t)
{
    free(t);
}

static int64_t max_ms(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static bool lapsed(const tokens_t *t, int64_t now_ms)
{
    return now_ms >= t->deadline_ms;
}

static bool must_kill(const tokens_t *t, int64_t now_ms)
{
    return t->kill || (t->n > 0 && t->keep > 0 && now_ms >= t->deadline_ms + KILL_AFTER_MS);
}

uint64_t tokens_allow(const tokens_t *t, int64_t now_ms)
{
    if (t->n == 0)
        return UINT64_MAX;
    return t->new_limit || t->kill || lapsed(t, now_ms) ? 0 : t->allow;
}

tokens_verdict_t tokens_verdict(const tokens_t *t, int64_t now_ms)
{
    if (t->n == 0)
        return TOKENS_RUN;
    if (must_kill(t, now_ms))
        return TOKENS_KILL;
    return lapsed(t, now_ms) ? TOKENS_FREEZE : TOKENS_RUN;
}

uint64_t tokens_excess(const tokens_t *t)
{
    return t->n > 0 && t->keep > t->held ? t->keep - t->held : 0;
}

uint64_t tokens_fence(const tokens_t *t)
{
    return t->n > 0 ? t->fence : 0;
}

uint64_t tokens_held(const tokens_t *t)
{
    return t->n == 0 ? 0 : t->held == UINT64_MAX ? t->keep : t->held;
}

uint64_t tokens_free_n(const tokens_t *t)
{
    return t->n > 0 ? t->free : 0;
}

int64_t tokens_lapse_at_ms(const tokens_t *t)
{
    return t->n > 0 ? t->deadline_ms : INT64_MAX;
}

/* A token that we hold and cannot use: there is nothing to run, or we may not start it. */
static bool has_unused(const tokens_t *t, int64_t now_ms)
{
    bool known = t->held != UINT64_MAX && t->held > t->keep;
    return t->n > 0 && known && (t->want <= t->keep || t->keep >= tokens_allow(t, now_ms));
}

static void note_unused(tokens_t *t, int64_t now_ms)
{
    if (!has_unused(t, now_ms))
        t->unused_since_ms = INT64_MAX;
    else if (t->unused_since_ms == INT64_MAX)
        t->unused_since_ms = now_ms;
}

/* 0 to N: what runs is kept for half a lease, in which a table has to learn of it. */
static void begin_limit(tokens_t *t, int64_t now_ms)
{
    t->allow = 0;
    t->held = UINT64_MAX;
    t->deadline_ms = now_ms + t->lease_ms / 2;
    t->new_limit = true;
    invariant(t->n > 0 && tokens_allow(t, now_ms) == 0);
}

/* N to 0: no more calls. What our row still holds expires by itself. */
static void end_limit(tokens_t *t)
{
    invariant(t->n == 0 && t->n_version > t->z);
    t->z = t->n_version;
    t->in_flight = t->kill = t->new_limit = t->slow = false;
    t->sent_want = 0;
    t->sent_idle = true;
    t->retry_ms = 0;
}

void tokens_set_limit(tokens_t *t, uint64_t n, uint64_t n_version, int64_t now_ms)
{
    if (n_version <= t->n_version)
        return;
    bool was_limited = t->n > 0;
    t->n = n;
    t->n_version = n_version;
    if (n == 0) {
        end_limit(t);
        return;
    }
    if (!was_limited)
        begin_limit(t, now_ms);
    else if (!t->has_lease || t->lease_version < n_version)
        t->new_limit = true;
    t->wants_sync = true;
    note_unused(t, now_ms);
}

void tokens_set_demand(tokens_t *t, uint64_t keep, uint64_t want, int64_t now_ms)
{
    t->keep = keep;
    t->want = want > keep ? want : keep;
    note_unused(t, now_ms);
}

static bool is_idle(const tokens_t *t)
{
    return t->sent_idle && t->keep == 0 && t->want == 0 && (t->starts.every_us == 0 || t->starts.wanted == 0);
}

void tokens_wake(tokens_t *t, int64_t now_ms)
{
    (void)now_ms;
    if (is_on(t) && !is_idle(t))
        t->wants_sync = true;
}

static int64_t timeout_ms(const tokens_t *t)
{
    return t->lease_ms / (t->slow ? 2 : 3);
}

/* When a sync beside the heartbeat may leave. */
static int64_t at_once_ms(const tokens_t *t)
{
    return t->at_once_ms - (int64_t)(AT_ONCE_BURST - 1) * AT_ONCE_EVERY_MS;
}

/* When the next request is due while none is in flight; INT64_MAX: never. */
static int64_t due_ms(const tokens_t *t, int64_t now_ms)
{
    if (!is_on(t) || t->kill || is_idle(t))
        return INT64_MAX;
    int64_t due = t->seq > 0 ? t->sent_ms + t->lease_ms / 5 : INT64_MIN;
    bool wants_more = t->want > t->sent_want && t->want > t->held;
    if (t->wants_sync || (t->sent_idle && t->want > 0) || (wants_more && t->n > 0) ||
        starts_to_ask(&t->starts, now_ms) > 0)
        due = earlier(due, at_once_ms(t));
    if (t->unused_since_ms != INT64_MAX)
        due = earlier(due, max_ms(at_once_ms(t), t->unused_since_ms + (t->waiters ? 0 : UNUSED_LINGER_MS)));
    return max_ms(due, t->retry_ms);
}

/* The heartbeat is not counted against the syncs beside it. */
static void count_at_once(tokens_t *t, int64_t now_ms)
{
    if (t->seq == 0 || now_ms < t->sent_ms + t->lease_ms / 5)
        t->at_once_ms = max_ms(t->at_once_ms, now_ms) + AT_ONCE_EVERY_MS;
}

static void fill_request(tokens_t *t, int64_t now_ms, tokens_request_t *ret)
{
    *ret = (tokens_request_t){
        .seq = t->seq,
        .n = t->n,
        .n_version = t->n_version,
        .z = t->z,
        .fence_seen = t->fence,
        .lease_valid = !lapsed(t, now_ms),
        .keep = t->keep - tokens_excess(t), /* the excess is as good as dead and must not be believed */
        .want = t->want,
        .lease_ms = (uint32_t)t->lease_ms,
    };
    snprintf(ret->job, sizeof ret->job, "%s", t->job);
    snprintf(ret->incarnation, sizeof ret->incarnation, "%s", t->incarnation);
    snprintf(ret->nonce, sizeof ret->nonce, "%s", t->nonce);
    ret->starts = starts_to_ask(&t->starts, now_ms);
    ret->start_every_us = t->starts.every_us > 0 ? starts_ask(&t->starts) : 0;
    invariant(ret->keep <= t->keep && ret->want >= t->keep);
}

bool tokens_poll(tokens_t *t, int64_t now_ms, tokens_request_t *ret)
{
    if (!is_on(t))
        return false;
    if (must_kill(t, now_ms)) {
        t->kill = true; /* a reply must not undo it */
        t->in_flight = false;
        return false;
    }
    if (t->in_flight && now_ms >= t->sent_ms + timeout_ms(t)) {
        t->in_flight = false;
        t->slow = true;
    }
    if (t->in_flight || now_ms < due_ms(t, now_ms))
        return false;
    invariant(!t->in_flight && !is_idle(t));
    count_at_once(t, now_ms);
    t->seq++;
    fill_request(t, now_ms, ret);
    t->allow = t->allow < ret->keep ? t->allow : ret->keep;
    t->sent_version = t->n_version;
    t->sent_want = t->want;
    t->sent_idle = false;
    t->wants_sync = false;
    t->in_flight = true;
    t->sent_ms = now_ms;
    invariant(t->allow <= t->keep); /* what frees while the reply is under way is not used again */
    return true;
}

static void apply_reply(tokens_t *t, const tokens_reply_t *reply)
{
    t->held = reply->held;
    t->free = reply->free;
    t->waiters = reply->waiters;
    t->deadline_ms = max_ms(t->deadline_ms, t->sent_ms + t->lease_ms / 2);
    if (reply->learning) {
        t->allow = t->allow < reply->allow ? t->allow : reply->allow;
        return;
    }
    t->allow = reply->allow < reply->held ? reply->allow : reply->held;
    invariant(t->allow <= t->held);
    t->has_lease = true;
    t->lease_version = reply->n_version;
    if (t->sent_version == t->n_version)
        t->new_limit = false;
}

void tokens_on_reply(tokens_t *t, uint64_t seq, const tokens_reply_t *reply, int64_t now_ms)
{
    if (!t->in_flight || seq != t->seq)
        return;
    t->in_flight = false;
    if (now_ms - t->sent_ms <= t->lease_ms / 4)
        t->slow = false;
    bool other_run = t->run_id[0] != '\0' && strcmp(t->run_id, reply->run_id) != 0;
    bool frozen = t->n > 0 && t->keep > 0 && lapsed(t, now_ms);
    starts_answered(&t->starts, reply->starts, reply->start_in_us, t->sent_ms, now_ms);
    snprintf(t->run_id, sizeof t->run_id, "%s", reply->run_id);
    t->fence = reply->fence > t->fence ? reply->fence : t->fence;
    t->sent_idle = t->sent_want == 0; /* want is never below keep */
    if (must_kill(t, now_ms) || (frozen && other_run)) {
        t->kill = true;
        return;
    }
    apply_reply(t, reply);
    note_unused(t, now_ms);
}

void tokens_on_error(tokens_t *t, uint64_t seq, int64_t now_ms)
{
    if (!t->in_flight || seq != t->seq)
        return;
    t->in_flight = false;
    t->wants_sync = true;
    t->retry_ms = now_ms + max_ms(RETRY_MS_MIN, earlier(RETRY_MS_MAX, t->lease_ms / 15));
}

void tokens_killed(tokens_t *t, int64_t now_ms)
{
    t->kill = false;
    t->keep = 0;
    t->held = 0;
    t->allow = 0;
    t->deadline_ms = earlier(t->deadline_ms, now_ms);
    t->wants_sync = true;
    note_unused(t, now_ms);
}

int64_t tokens_next_ms(const tokens_t *t, int64_t now_ms)
{
    if (!is_on(t))
        return INT64_MAX;
    if (must_kill(t, now_ms))
        return t->kill ? INT64_MAX : now_ms;
    int64_t next = t->in_flight ? t->sent_ms + timeout_ms(t) : due_ms(t, now_ms);
    if (t->starts.wanted > 0)
        next = earlier(next, starts_next_ms(&t->starts, now_ms));
    if (!t->in_flight && t->starts.wanted > 0 && t->starts.ask_ms > now_ms)
        next = earlier(next, t->starts.ask_ms);
    if (t->n > 0 && t->keep > 0)
        next = earlier(next, lapsed(t, now_ms) ? t->deadline_ms + KILL_AFTER_MS : t->deadline_ms);
    return max_ms(next, now_ms);
}
