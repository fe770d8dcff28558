/* The right to run: one worker's view of one limited job's tokens. Pure: time comes in, requests go out.
 *
 * The story. A worker tells the job's table what it uses and wants (a sync), and is told what it may hold. The same
 * idempotent call acquires, renews, returns and beats. `allow` falls to what is in use before a request leaves and
 * rises only by its own reply, so lost, late and repeated replies can only make it smaller. A lease ends half a lease
 * before the table forgets it: past `deadline` nothing starts and everything of the job is frozen.
 *
 * The table's side is tokens/sync.lua, which runs in Redis. The tests and the simulation run the same text through a
 * linked Lua; the embedded mode, with its one worker, needs no table (tokens/local_port.c).
 */
#ifndef TOKENS_TOKENS_H
#define TOKENS_TOKENS_H

#include <stdbool.h>
#include <stdint.h>

#include "schemas/spec.h"
#include "tokens/starts.h"

enum { TOKENS_RUN_ID_MAX = 40, TOKENS_INCARNATION_MAX = 40 };

/* The arguments of one call of the script. */
typedef struct {
    char job[JOB_ID_MAX + 1];
    char incarnation[TOKENS_INCARNATION_MAX + 1]; /* new at each start of a worker */
    uint64_t seq;
    char nonce[NONCE_MAX + 1];
    uint64_t n, n_version, z; /* z: the last version at which N was 0 */
    uint64_t fence_seen;
    bool lease_valid;
    uint64_t keep, want;
    uint32_t lease_ms;
    uint64_t starts, start_every_us; /* so many places for starts, so far apart; 0, 0: none */
} tokens_request_t;

typedef struct {
    uint64_t allow, held;
    bool learning, waiters;
    uint64_t free; /* tokens that nobody holds */
    uint64_t fence;
    uint64_t n_version; /* the version the table had when it answered */
    uint64_t starts;    /* so many places, the first in */
    uint64_t start_in_us;
    char run_id[TOKENS_RUN_ID_MAX + 1];
} tokens_reply_t;

typedef enum {
    TOKENS_RUN,    /* go on; start up to tokens_allow */
    TOKENS_FREEZE, /* past the deadline: start nothing, freeze what runs */
    TOKENS_KILL    /* too long away, or another run id: kill all of it; run again, no retry charged */
} tokens_verdict_t;

typedef struct tokens tokens_t;

/* `n` 0 makes a client that allows everything (until tokens_set_limit), and makes no calls unless there is a rate. NULL: no memory. */
tokens_t *tokens_new(const char *job, const char *incarnation, const char *nonce, uint32_t lease_ms, uint64_t n,
                     int64_t now_ms);
void tokens_free(tokens_t *t);
/* Its starts have a rate (starts.h); 0: none. Before the first poll. */
void tokens_set_rate(tokens_t *t, uint64_t every_us, bool is_apart);
/* A new N with its version (live control). Older versions are ignored. */
void tokens_set_limit(tokens_t *t, uint64_t n, uint64_t n_version, int64_t now_ms);
/* How many attempts use a token now, and how many the worker could use (running + startable, at most its slots). */
void tokens_set_demand(tokens_t *t, uint64_t keep, uint64_t want, int64_t now_ms);
/* How many could start soon: with a rate, places for them are asked for. */
void tokens_set_starts(tokens_t *t, uint64_t n);
/* Places for starts that it has or is about to ask for; UINT64_MAX: it has no rate. What has none needs no token. */
uint64_t tokens_starts(const tokens_t *t, int64_t now_ms);
/* The table published a wake-up for this job and incarnation. */
void tokens_wake(tokens_t *t, int64_t now_ms);
/* Returns true if *ret is to be sent now. At most one request is in flight; a reply later than L/3 is a timeout and a new
 * request may go out. */
bool tokens_poll(tokens_t *t, int64_t now_ms, tokens_request_t *ret);
/* The answer to request `seq`; one that is not awaited any more is ignored. */
void tokens_on_reply(tokens_t *t, uint64_t seq, const tokens_reply_t *reply, int64_t now_ms);
/* The request could not be sent or failed. */
void tokens_on_error(tokens_t *t, uint64_t seq, int64_t now_ms);
/* How many attempts of the job may run on this worker now; UINT64_MAX: no limit. */
uint64_t tokens_allow(const tokens_t *t, int64_t now_ms);
/* The rate lets one more start now. */
bool tokens_may_start(const tokens_t *t, int64_t now_ms);
/* It did, by tokens_may_start. */
void tokens_started(tokens_t *t, int64_t now_ms);
tokens_verdict_t tokens_verdict(const tokens_t *t, int64_t now_ms);
/* The worker has killed what runs after a TOKENS_KILL. No request leaves before this. Tell the demand anew afterwards.
 */
void tokens_killed(tokens_t *t, int64_t now_ms);
/* When running attempts exceed the last reply's held, how many of them must be killed, at once and before any frozen
 * one is thawed. Asked after every reply. */
uint64_t tokens_excess(const tokens_t *t);
uint64_t tokens_fence(const tokens_t *t);
/* What the table holds for this worker, by its last word, and what nobody held then. 0 without a limit. */
uint64_t tokens_held(const tokens_t *t);
uint64_t tokens_free_n(const tokens_t *t);
/* BOOTTIME at which the guardian freezes this job's attempts; INT64_MAX without a limit. */
int64_t tokens_lapse_at_ms(const tokens_t *t);
/* When to call tokens_poll again at the latest. */
int64_t tokens_next_ms(const tokens_t *t, int64_t now_ms);

#endif
