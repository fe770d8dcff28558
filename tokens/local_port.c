/* The tokens of an embedded fleet. It has one worker, and so one holder of every job's tokens: what that worker says it
 * uses is the truth, and of N all is its own. Nobody waits, nobody is woken, nothing is ever learnt anew.
 *
 * What Redis and sync.lua do beyond this is about several workers, and about a table that can lose its past. */
#include "tokens/local_port.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/invariant.h"

#include "tokens/answers.h"

typedef struct {
    tokens_port_t port; /* first, so that a pointer to it is one to this */
    answers_t *answers;
    uint64_t fence; /* the highest that was given */
} local_port_t;

static local_port_t *local_of(tokens_port_t *port)
{
    return (local_port_t *)(void *)port;
}

/* min(want, N). More than N run only under an older, higher N: they are let end, and nothing starts meanwhile. */
static tokens_reply_t grant(const tokens_request_t *request, uint64_t fence)
{
    uint64_t n = request->n, keep = request->keep, want = request->want > keep ? request->want : keep;
    uint64_t allow = keep > n ? 0 : want < n ? want : n;
    invariant(allow <= n && (keep <= n || allow == 0));
    return (tokens_reply_t){.allow = allow,
                            .held = keep > allow ? keep : allow,
                            .fence = fence,
                            .n_version = request->n_version,
                            .run_id = "local"};
}

static void local_sync(tokens_port_t *port, const tokens_request_t *request, tokens_sync_fn fn, void *arg)
{
    local_port_t *p = local_of(port);
    answer_t *a = answer_new(ANSWER_SYNC, request->job, arg);
    if (!a)
        return; /* as a lost reply: after its timeout the client asks again */
    a->seq = request->seq;
    a->sync_fn = fn;
    p->fence = (p->fence > request->fence_seen ? p->fence : request->fence_seen) + 1;
    a->reply = grant(request, p->fence);
    answers_put(p->answers, a);
}

static void local_create(tokens_port_t *port, const char *job, const char *nonce, uint64_t n, uint32_t lease_ms,
                         tokens_create_fn fn, void *arg)
{
    (void)n;
    (void)lease_ms;
    answer_t *a = answer_new(ANSWER_CREATE, job, arg);
    if (!a)
        return;
    snprintf(a->nonce, sizeof a->nonce, "%s", nonce);
    a->create_fn = fn;
    a->created = true;
    answers_put(local_of(port)->answers, a);
}

static void local_close(tokens_port_t *port)
{
    local_port_t *p = local_of(port);
    answers_close(p->answers);
    free(p);
}

int tokens_local_port_open(loop_t *loop, tokens_port_t **ret, fanmap_error_t *err)
{
    local_port_t *p = calloc(1, sizeof *p);
    if (!p)
        return err_set(err, FANMAP_ENOMEM, "no memory for the tokens");
    p->port = (tokens_port_t){.sync = local_sync, .create = local_create, .close = local_close};
    p->fence = (uint64_t)loop_clock_ms(); /* above those of an earlier process */
    int code = answers_new(loop, &p->answers, err);
    if (code != FANMAP_OK) {
        free(p);
        return code;
    }
    *ret = &p->port;
    return FANMAP_OK;
}
