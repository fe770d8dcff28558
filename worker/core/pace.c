#include "worker/core/pace.h"

enum { LATE_US = 2000, MS_US = 1000 };

bool pace_may_start(const pace_t *p, int64_t now_ms)
{
    return now_ms >= p->free_ms && now_ms * MS_US >= p->next_us;
}

void pace_started(pace_t *p, int64_t now_ms)
{
    int64_t late_us = now_ms * MS_US - LATE_US;
    p->free_ms = p->delay_ms > 0 ? now_ms + p->delay_ms : 0;
    if (p->every_us > 0)
        p->next_us = (p->next_us > late_us ? p->next_us : late_us) + (int64_t)p->every_us;
}

int64_t pace_next_ms(const pace_t *p, int64_t now_ms)
{
    if (pace_may_start(p, now_ms))
        return INT64_MAX;
    int64_t by_rate_ms = (p->next_us + MS_US - 1) / MS_US;
    return by_rate_ms > p->free_ms ? by_rate_ms : p->free_ms;
}
