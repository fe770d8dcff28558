#include "tokens/starts.h"

#include "base/invariant.h"

enum { MS_US = 1000, AHEAD_US = 200000, FIRST_LATE_MS = 100, LATE_MIN_MS = 20, AT_ONCE_MAX = 100000 };

void starts_init(starts_t *s, uint64_t every_us, bool is_apart)
{
    *s = (starts_t){.every_us = every_us, .is_apart = is_apart, .trip_ms = -1};
}

/* Of its places, those that are void by now. */
static uint32_t expired_n(const starts_grant_t *g, int64_t now_ms)
{
    int64_t over_us = now_ms * MS_US - g->void_us;
    if (g->n == 0 || over_us <= 0)
        return 0;
    int64_t n = over_us / g->step_us + 1;
    return n < g->n ? (uint32_t)n : g->n;
}

uint64_t starts_in_hand(const starts_t *s, int64_t now_ms)
{
    uint64_t n = 0;
    for (int i = 0; i < 2; i++)
        n += s->grants[i].n - expired_n(&s->grants[i], now_ms);
    return n;
}

/* Of the first place that is not void; INT64_MAX: there is none. */
static int64_t first_us(const starts_t *s, int64_t now_ms)
{
    for (int i = 0; i < 2; i++) {
        const starts_grant_t *g = &s->grants[i];
        uint32_t gone = expired_n(g, now_ms);
        if (gone < g->n)
            return g->at_us + gone * g->step_us;
    }
    return INT64_MAX;
}

bool starts_may(const starts_t *s, int64_t now_ms)
{
    return s->every_us == 0 || first_us(s, now_ms) <= now_ms * MS_US;
}

static void drop(starts_grant_t *g, uint32_t n)
{
    invariant(n <= g->n);
    g->n -= n;
    g->at_us += n * g->step_us;
    g->void_us += n * g->step_us;
}

static void drop_void(starts_t *s, int64_t now_ms)
{
    for (int i = 0; i < 2; i++)
        drop(&s->grants[i], expired_n(&s->grants[i], now_ms));
    if (s->grants[0].n > 0)
        return;
    s->grants[0] = s->grants[1];
    s->grants[1].n = 0;
}

void starts_used(starts_t *s, int64_t now_ms)
{
    if (s->every_us == 0)
        return;
    invariant(starts_may(s, now_ms));
    drop_void(s, now_ms);
    drop(&s->grants[0], 1);
    drop_void(s, now_ms);
}

uint32_t starts_to_ask(const starts_t *s, int64_t now_ms)
{
    if (s->every_us == 0 || now_ms < s->ask_ms || s->grants[1].n > expired_n(&s->grants[1], now_ms))
        return 0;
    uint64_t ahead = 1 + AHEAD_US / s->every_us, want = s->wanted < ahead ? s->wanted : ahead;
    uint64_t hand = starts_in_hand(s, now_ms);
    return 2 * hand > want || hand >= want ? 0 : (uint32_t)(want - hand);
}

/* Where starts are to be apart, a place is as much longer as its start may be late: twice what an answer takes. */
uint64_t starts_ask(starts_t *s)
{
    int64_t late_ms = s->trip_ms < 0 ? FIRST_LATE_MS : LATE_MIN_MS + 2 * s->trip_ms;
    s->late_ms = !s->is_apart || late_ms > STARTS_LATE_MS ? STARTS_LATE_MS : late_ms;
    return s->every_us + (s->is_apart ? (uint64_t)s->late_ms * MS_US : 0);
}

void starts_answered(starts_t *s, uint64_t n, uint64_t in_us, int64_t sent_ms, int64_t now_ms)
{
    if (s->every_us == 0 || n > AT_ONCE_MAX || in_us > INT64_MAX / 4)
        return;
    s->trip_ms = now_ms - sent_ms;
    drop_void(s, now_ms);
    if (n == 0 || s->grants[1].n > 0) {
        s->ask_ms = n == 0 ? now_ms + (int64_t)(in_us / MS_US) + 1 : s->ask_ms;
        return;
    }
    int64_t step_us = (int64_t)s->every_us + (s->is_apart ? s->late_ms * MS_US : 0);
    s->grants[s->grants[0].n > 0] = (starts_grant_t){.n = (uint32_t)n,
                                                     .at_us = (now_ms + 1) * MS_US + (int64_t)in_us,
                                                     .void_us = (sent_ms + s->late_ms) * MS_US + (int64_t)in_us,
                                                     .step_us = step_us};
}

int64_t starts_next_ms(const starts_t *s, int64_t now_ms)
{
    int64_t at_us = first_us(s, now_ms);
    return s->every_us == 0 || at_us == INT64_MAX || at_us <= now_ms * MS_US ? INT64_MAX : (at_us + MS_US - 1) / MS_US;
}
