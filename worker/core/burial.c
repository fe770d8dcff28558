/* The rules of burial.h, over what was read of the jobs topic so far. */
#include "worker/core/burial.h"

#include <stdio.h>
#include <string.h>

void burial_init(burial_t *burial, const char *me)
{
    *burial = (burial_t){.due_ms = INT64_MAX};
    snprintf(burial->me, sizeof burial->me, "%s", me);
}

static int64_t spread(const burial_t *burial)
{
    uint32_t hash = 2166136261u;
    for (const char *at = burial->me; *at; at++)
        hash = (hash ^ (uint8_t)*at) * 16777619u;
    return hash % BURIAL_SPREAD_MS;
}

static bool is_claimed(const burial_t *burial)
{
    return burial->claim.target > burial->claim.until;
}

static bool is_mine(const burial_t *burial)
{
    return is_claimed(burial) && strcmp(burial->claim.who, burial->me) == 0;
}

void burial_bad(burial_t *burial, int64_t offset, int64_t now_ms)
{
    if (offset < burial->until)
        return;
    if (offset >= burial->behind)
        burial->behind = offset + 1;
    if (burial->due_ms == INT64_MAX)
        burial->due_ms = now_ms + BURIAL_WAIT_MS + spread(burial);
}

/* Nobody vouches for what stands behind its own word. */
static void put_away_until(burial_t *burial, int64_t until, int64_t offset)
{
    until = until < offset ? until : offset;
    burial->until = until > burial->until ? until : burial->until;
}

static void set_due(burial_t *burial, int64_t now_ms)
{
    burial->due_ms = INT64_MAX;
    if (is_claimed(burial))
        burial->due_ms = now_ms + BURIAL_PATIENCE_MS + spread(burial);
    else if (burial->behind > burial->until)
        burial->due_ms = now_ms + BURIAL_WAIT_MS + spread(burial);
}

void burial_mark(burial_t *burial, const jobs_dead_t *mark, int64_t offset, int64_t now_ms)
{
    bool is_claim = mark->target > mark->until;
    if (mark->number > burial->claim.number) {
        burial->claim = *mark;
        burial->is_burying = false;
    } else if (is_claim || mark->number < burial->claim.number || strcmp(mark->who, burial->claim.who) != 0) {
        return; /* another one was first */
    } else {
        burial->claim.until = burial->claim.target = mark->until;
        burial->is_burying = false;
    }
    put_away_until(burial, mark->until, offset);
    set_due(burial, now_ms);
}

burial_do_t burial_next(burial_t *burial, int64_t now_ms, jobs_dead_t *ret)
{
    if (is_mine(burial) && !burial->is_burying) {
        burial->is_burying = true;
        *ret = burial->claim;
        return BURIAL_BURY;
    }
    if (burial->is_burying || now_ms < burial->due_ms || burial->behind <= burial->until)
        return BURIAL_NOTHING;
    *ret = (jobs_dead_t){.until = burial->until, .target = burial->behind, .number = burial->claim.number + 1};
    memcpy(ret->who, burial->me, sizeof ret->who);
    burial->due_ms = now_ms + BURIAL_PATIENCE_MS; /* in case it is not stored */
    return BURIAL_CLAIM;
}

void burial_done(burial_t *burial, jobs_dead_t *ret)
{
    *ret = burial->claim;
    ret->until = ret->target;
}

int64_t burial_next_ms(const burial_t *burial)
{
    if (is_mine(burial) && !burial->is_burying)
        return 0;
    return burial->is_burying || burial->behind <= burial->until ? INT64_MAX : burial->due_ms;
}
