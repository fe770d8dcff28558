/* What cannot be started. It is said with its reason and tried again, each time a little later. After five failures in a
 * row with no slot up, the pool gives up: whoever holds it must not keep work that others could do. A machine that is
 * short of processes, memory or descriptors may have them again in a moment, so that takes longer; and while some slots
 * are up, the worker goes on with fewer. */
#include <stdio.h>

#include "slots/pool/pool.h"

static bool any_is_up(const slots_t *s)
{
    for (uint32_t i = 0; i < s->plan.slots_n; i++)
        if (s->slots[i].state == SLOT_UP)
            return true;
    return false;
}

void start_failed(slots_t *s, unsigned *failures, bool is_short, const char *why)
{
    fanmap_error_t err;
    char line[BOARD_TEXT_BYTES + 80];
    if (s->has_failed)
        return;
    unsigned n = ++*failures;
    if (n < (is_short ? START_FAILURES_SHORT : START_FAILURES) || any_is_up(s)) {
        snprintf(line, sizeof line, "%s (try %u)", why, n);
        s->callbacks.trouble(s->arg, line);
        return;
    }
    s->has_failed = true;
    err_set(&err, FANMAP_EIO, "%s (%u tries in a row)", why, n);
    s->callbacks.failed(s->arg, &err);
}
