/* Freezing what runs in a slot, and thawing it: by its cgroup, else by signals. A run's timeout does not count the time. */
#include <signal.h>

#include "slots/guardian/ward.h"
#include "slots/shared/proc.h"

static void freeze_by_signals(const ward_t *w)
{
    int before = -1, found = 0;
    kill(w->pid, SIGSTOP);
    for (int i = 0; i < 10 && found != before; i++) {
        before = found;
        found = proc_signal_descendants(w->pid, NULL, 0, SIGSTOP);
    }
}

static void thaw_by_signals(const ward_t *w)
{
    proc_signal_descendants(w->pid, NULL, 0, SIGCONT);
    kill(w->pid, SIGCONT);
}

/* The run's start may have been noted just before a freeze and claimed just after it. */
int64_t ward_frozen_ms(ward_t *w, uint32_t n, int64_t started_ms)
{
    if (n != w->frozen_n) {
        int64_t from_ms = started_ms > w->frozen_since_ms ? started_ms : w->frozen_since_ms;
        w->frozen_n = n;
        w->frozen_ms = w->thawed_at_ms > from_ms ? w->thawed_at_ms - from_ms : 0;
    }
    return w->frozen_ms;
}

static void note_frozen_time(ward_t *w, int64_t now_ms)
{
    uint32_t n;
    int64_t started_ms;
    w->thawed_at_ms = now_ms;
    if (board_running(w->board, &n, &started_ms) && n == w->frozen_n)
        w->frozen_ms += now_ms - w->frozen_since_ms;
}

void ward_apply_freeze(ward_t *w, int64_t now_ms)
{
    bool freeze = w->freeze_asked || w->is_lapsed;
    if (w->state != WARD_UP || freeze == w->is_frozen)
        return;
    w->is_frozen = freeze;
    if (freeze)
        w->frozen_since_ms = now_ms;
    else
        note_frozen_time(w, now_ms);
    if (w->cgroup_fd >= 0 && cgroup_freeze(w->cgroup_fd, freeze))
        return;
    if (freeze)
        freeze_by_signals(w);
    else
        thaw_by_signals(w);
}
