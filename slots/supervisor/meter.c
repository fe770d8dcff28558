/* Processor time is asked of /proc, which costs something; so the next look is as late as all processors together
 * would need to use up what is left. */
#include "slots/supervisor/meter.h"

#include <sys/resource.h>
#include <unistd.h>

#include "slots/shared/proc.h"

enum { CHECK_MS_MIN = 10, CHECK_MS_MAX = 1000, IDLE_MS_MAX = 100 };

static int64_t reaped_us(void)
{
    struct rusage use;
    if (getrusage(RUSAGE_CHILDREN, &use) != 0)
        return 0;
    return (use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1000000 + use.ru_utime.tv_usec + use.ru_stime.tv_usec;
}

static int64_t used_us(const meter_whose_t *whose)
{
    int64_t living_us = proc_cpu_us(whose->root, !whose->is_command, whose->except, whose->except_n);
    return whose->is_command ? living_us + reaped_us() : living_us;
}

static int64_t clamp(int64_t ms, int64_t most_ms)
{
    return ms < CHECK_MS_MIN ? CHECK_MS_MIN : ms > most_ms ? most_ms : ms;
}

static int64_t processors(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? n : 1;
}

bool meter_step(meter_t *m, uint32_t n, const meter_whose_t *whose, uint32_t limit_ms, int *ret_wait_ms)
{
    int64_t now_ms = proc_now_ms(), used;
    if (!m->is_running || m->n != n) {
        *m = (meter_t){.is_running = true, .n = n};
        m->base_us = whose->is_command ? reaped_us() : used_us(whose);
        used = 0;
    } else if (now_ms < m->next_ms) {
        *ret_wait_ms = (int)(m->next_ms - now_ms);
        return false;
    } else {
        used = used_us(whose) - m->base_us;
    }
    int64_t left_ms = limit_ms - used / 1000;
    if (left_ms <= 0)
        return true;
    int64_t wait_ms = clamp(left_ms / processors(), CHECK_MS_MAX);
    m->next_ms = now_ms + wait_ms;
    *ret_wait_ms = (int)wait_ms;
    return false;
}

int meter_idle(meter_t *m, uint32_t limit_ms)
{
    m->is_running = false;
    return (int)clamp(limit_ms / processors() / 2, IDLE_MS_MAX);
}
