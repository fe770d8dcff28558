/* The runs that a slot was sent and whose end is not known, first in, first out. What was taken back stays in the
 * queue, revoked, while something older is still before it: its frame may lie in the socket. */
#include <stdlib.h>

#include "slots/pool/pool.h"

static inflight_run_t *nth(const inflight_t *q, size_t i)
{
    return &q->at[(q->first + i) & (q->cap - 1)];
}

static bool grow(inflight_t *q)
{
    size_t cap = q->cap ? q->cap * 2 : 16;
    inflight_run_t *at = malloc(cap * sizeof *at);
    if (!at)
        return false;
    for (size_t i = 0; i < q->n; i++)
        at[i] = *nth(q, i);
    free(q->at);
    q->at = at;
    q->first = 0;
    q->cap = cap;
    return true;
}

bool inflight_push(inflight_t *q, uint32_t n)
{
    if (q->n == q->cap && !grow(q))
        return false;
    *nth(q, q->n++) = (inflight_run_t){.n = n};
    q->live++;
    return true;
}

inflight_run_t *inflight_head(const inflight_t *q)
{
    return q->n > 0 ? nth(q, 0) : NULL;
}

static void pop(inflight_t *q)
{
    inflight_run_t *head = nth(q, 0);
    q->live -= !head->revoked;
    q->first = (q->first + 1) & (q->cap - 1);
    q->n--;
}

static void pop_revoked(inflight_t *q)
{
    while (q->n > 0 && nth(q, 0)->revoked)
        pop(q);
}

void inflight_pop_through(inflight_t *q, uint32_t n)
{
    while (q->n > 0 && (int32_t)(nth(q, 0)->n - n) <= 0)
        pop(q);
    pop_revoked(q);
}

void inflight_revoke(inflight_t *q, uint32_t n, uint32_t to)
{
    for (size_t i = q->n; i > 0 && (int32_t)(nth(q, i - 1)->n - n) >= 0; i--) {
        if ((int32_t)(nth(q, i - 1)->n - to) >= 0)
            continue;
        q->live -= !nth(q, i - 1)->revoked;
        nth(q, i - 1)->revoked = true;
    }
    pop_revoked(q);
}

bool inflight_has(const inflight_t *q, uint32_t n)
{
    for (size_t i = 0; i < q->n; i++)
        if (nth(q, i)->n == n)
            return !nth(q, i)->revoked;
    return false;
}

void inflight_clear(inflight_t *q)
{
    q->first = q->n = q->live = 0;
}

void inflight_free(inflight_t *q)
{
    free(q->at);
    *q = (inflight_t){0};
}
