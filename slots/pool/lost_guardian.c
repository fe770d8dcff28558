/* A guardian that is gone: what it left is ended and cleaned up, and then its end is reported. See guardian_link.c. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "slots/pool/pool.h"
#include "slots/shared/proc.h"

void guardian_lose(slots_t *s, bool was_silent)
{
    if (s->is_lost)
        return;
    s->is_lost = true;
    s->was_silent = was_silent;
    s->lost_at_ms = loop_now_ms(s->loop);
    loop_watch_remove(s->ctl_watch);
    s->ctl_watch = NULL;
    proc_close_fd(&s->ctl_fd);
    for (uint32_t i = 0; i < s->plan.slots_n; i++)
        if (s->slots[i].board)
            board_close(s->slots[i].board);
    if (s->guardian_pid > 0)
        kill(s->guardian_pid, SIGKILL); /* ours, and not reaped: no other process can have this number */
    guardian_plan_step(s, 0);
}

static bool guardian_is_reaped(slots_t *s)
{
    if (s->guardian_pid > 0 && waitpid(s->guardian_pid, &s->lost_status, WNOHANG) == 0)
        return false;
    s->guardian_pid = 0;
    return true;
}

static bool supervisor_is_gone(const slot_t *t)
{
    struct pollfd p = {.fd = t->pidfd, .events = POLLIN};
    return t->pidfd < 0 || poll(&p, 1, 0) > 0;
}

static void kill_supervisor(const slot_t *t)
{
    if (proc_signal_descendants(t->pid, NULL, 0, SIGKILL) <= 0)
        proc_pidfd_kill(t->pidfd, SIGKILL);
}

bool guardian_kill_left(slots_t *s, pid_t guardian, int64_t now_ms)
{
    cgroup_root_t root;
    bool is_clean = true;
    if (s->plan.use_cgroups && cgroup_root_find(&root, guardian)) {
        cgroup_root_kill(&root);
        is_clean = cgroup_root_remove(&root);
        cgroup_root_close(&root);
    }
    for (uint32_t i = 0; i < s->plan.slots_n; i++) {
        if (supervisor_is_gone(&s->slots[i]))
            continue;
        is_clean = false;
        if (now_ms - s->lost_at_ms >= LOST_PATIENCE_MS)
            kill_supervisor(&s->slots[i]);
    }
    return is_clean;
}

static void describe_end(const slots_t *s, char *ret, size_t cap)
{
    int status = s->lost_status;
    if (s->was_silent)
        snprintf(ret, cap, "the guardian was silent for %d s", GUARDIAN_SILENT_MS / 1000);
    else if (WIFSIGNALED(status))
        snprintf(ret, cap, "the guardian was killed by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        snprintf(ret, cap, "the guardian ended with status %d", WEXITSTATUS(status));
}

static void report_lost(slots_t *s)
{
    ctl_message_t m = {.type = CTL_DOWN, .why = SLOT_DOWN_GUARDIAN, .text = "the guardian was lost"};
    char how[120];
    describe_end(s, how, sizeof how);
    if (s->is_proven)
        s->callbacks.guardian_lost(s->arg, how);
    else
        start_failed(s, &s->failures, false, how);
    for (uint32_t i = 0; i < s->plan.slots_n; i++) {
        slot_t *t = &s->slots[i];
        if (t->board && t->state != SLOT_OFF)
            slot_went_down(t, &m);
        else if (t->board)
            slot_release(t);
    }
}

void guardian_plan_start(slots_t *s, int64_t now_ms)
{
    uint32_t next_ms = s->restart_ms ? s->restart_ms * 2 : RESTART_MS_MIN;
    s->start_at_ms = now_ms + s->restart_ms;
    s->restart_ms = next_ms < RESTART_MS_MAX ? next_ms : RESTART_MS_MAX;
}

void guardian_clean_up(slots_t *s, int64_t now_ms)
{
    if (s->guardian_pid > 0)
        s->lost_pid = s->guardian_pid;
    bool is_reaped = guardian_is_reaped(s);
    bool is_clean = guardian_kill_left(s, s->lost_pid, now_ms);
    if (!(is_reaped && is_clean) && now_ms - s->lost_at_ms < LOST_MAX_MS)
        return;
    s->is_lost = false;
    report_lost(s);
    if (s->lost_at_ms - s->started_ms >= STEADY_MS)
        s->restart_ms = 0;
    guardian_plan_start(s, now_ms);
}
