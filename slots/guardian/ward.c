/* One slot from its supervisor's start to the moment when nothing of it lives.
 *
 * Happy path: ward_start maps the board and spawns the supervisor; its `up` comes over the link; ward_tick then
 * watches the run's timeout and the job's lapse, and freezes and thaws; ward_end asks the supervisor to end its
 * attempt, its `down` is kept, it leaves, what it left behind is swept, and `down` is owed to the worker.
 *
 * What can fail. The supervisor does not do what it is asked: half a second after the grace period everything is
 * killed, the supervisor too. It dies by itself: what it leaves becomes a child of the guardian, or is in the slot's
 * cgroup, and is found there. It is frozen: it hears nothing, so that an end kills hard at once. */
#include "slots/guardian/ward.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "slots/shared/proc.h"

/* Nothing of the slot is alive: forgets it and owes its `down`. */
static void ward_empty(guardian_t *g, ward_t *w)
{
    proc_close_fd(&w->pidfd);
    proc_close_fd(&w->link_fd);
    controls_remove_slot(&g->controls, &(controls_place_t){getpid(), w->slot, w->generation});
    if (w->cgroup_fd >= 0)
        cgroup_slot_remove(&g->cgroups, w->slot, w->generation);
    proc_close_fd(&w->cgroup_fd);
    board_unmap(w->board);
    w->board = NULL;
    w->pid = 0;
    w->state = WARD_EMPTY;
    w->owes_up = false;
    w->owes_down = true;
}

static void ward_failed(guardian_t *g, ward_t *w, const char *what)
{
    w->down.why = SLOT_DOWN_UNUSABLE;
    w->down.is_short = proc_is_shortage(errno);
    snprintf(w->down.text, sizeof w->down.text, "a slot cannot be started: %s: %s", what, strerror(errno));
    ward_empty(g, w);
}

static bool ward_try_start(guardian_t *g, ward_t *w, const int *fds, const char **ret_what)
{
    int link[2];
    *ret_what = "memory";
    w->board = board_map(fds[CTL_FD_BOARD]);
    if (!w->board)
        return false;
    *ret_what = "socket";
    if (ctl_pair(SOCK_SEQPACKET, link) != 0)
        return false;
    w->link_fd = link[0];
    w->cgroup_fd = cgroup_slot_make(&g->cgroups, w->slot, w->generation);
    *ret_what = "fanmap-supervisor";
    w->pid = ward_spawn(g, w, link[1], fds);
    close(link[1]);
    if (w->pid > 0)
        w->pidfd = proc_pidfd(w->pid);
    return w->pid > 0;
}

void ward_start(guardian_t *g, ward_t *w, uint32_t generation, int *fds)
{
    uint32_t slot = w->slot;
    const char *what;
    *w = (ward_t){.slot = slot, .generation = generation, .state = WARD_STARTING};
    w->pidfd = w->link_fd = w->cgroup_fd = -1;
    w->frozen_n = UINT32_MAX;
    w->down = (ctl_message_t){.type = CTL_DOWN, .slot = slot, .generation = generation, .why = SLOT_DOWN_DIED};
    if (!ward_try_start(g, w, fds, &what))
        ward_failed(g, w, what);
    for (int i = 0; i < CTL_START_FDS; i++)
        proc_close_fd(&fds[i]);
}

/* Kills everything in the slot, the supervisor too. What is left is found while sweeping. */
static void ward_kill_hard(ward_t *w)
{
    if (w->cgroup_fd < 0 || !cgroup_kill(w->cgroup_fd)) {
        proc_signal_descendants(w->pid, NULL, 0, SIGKILL);
        kill(w->pid, SIGKILL);
    }
}

void ward_end(ward_t *w, slot_down_why_t why, uint32_t grace_ms, int64_t now_ms)
{
    if (w->state != WARD_STARTING && w->state != WARD_UP && w->state != WARD_ENDING)
        return;
    board_close(w->board);
    int64_t hard_at_ms = now_ms + grace_ms + WARD_HARD_MS;
    if (w->state == WARD_ENDING && hard_at_ms >= w->hard_at_ms)
        return;
    if (!w->is_ordered)
        w->down.why = why;
    w->is_ordered = true;
    w->state = WARD_ENDING;
    ctl_message_t m = {.type = CTL_KILL, .slot = w->slot, .generation = w->generation, .grace_ms = grace_ms};
    bool is_sent = !w->is_frozen && ctl_send(w->link_fd, &m, NULL, 0) == 0;
    w->hard_at_ms = is_sent ? hard_at_ms : now_ms;
}

void ward_read_link(ward_t *w)
{
    ctl_message_t m;
    int fds[CTL_FDS_MAX], got;
    while ((got = ctl_receive(w->link_fd, &m, fds)) > 0) {
        if (m.type == CTL_UP && w->state == WARD_STARTING) {
            w->state = WARD_UP;
            w->owes_up = true;
        } else if (m.type == CTL_NOTE) {
            m.slot = w->slot;
            m.generation = w->generation;
            w->note = m;
            w->owes_note = true;
        } else if (m.type == CTL_DOWN) {
            uint32_t why = w->is_ordered ? w->down.why : m.why;
            m.slot = w->slot;
            m.generation = w->generation;
            w->down = m;
            w->down.why = why;
            w->down.type = CTL_DOWN;
            w->has_report = true;
        }
    }
    if (got == 0)
        proc_close_fd(&w->link_fd);
}

void ward_exited(ward_t *w, int status)
{
    if (w->link_fd >= 0)
        ward_read_link(w); /* its last words */
    bool was_up = w->state != WARD_STARTING;
    w->state = WARD_SWEEPING;
    w->owes_up = false;
    if (w->has_report || w->is_ordered)
        return;
    w->down.why = was_up || WIFSIGNALED(status) ? SLOT_DOWN_DIED : SLOT_DOWN_UNUSABLE;
    w->down.signo = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    w->down.exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    if (WIFSIGNALED(status))
        snprintf(w->down.text, sizeof w->down.text, "the slot's supervisor was killed");
    else
        snprintf(w->down.text, sizeof w->down.text, "a slot cannot be started: fanmap-supervisor ended with status %d",
                 WEXITSTATUS(status));
}

/* Children of the guardian that are not left behind by anyone. */
static size_t own_children(const guardian_t *g, pid_t *pids, size_t cap)
{
    size_t n = 0;
    if (g->sweeper_pid > 0)
        pids[n++] = g->sweeper_pid;
    for (uint32_t i = 0; i < g->wards_n && n + 1 < cap; i++) {
        const ward_t *w = &g->wards[i];
        if (w->pid > 0 && w->state != WARD_SWEEPING && w->state != WARD_EMPTY)
            pids[n++] = w->pid;
        if (w->kill_pid > 0)
            pids[n++] = w->kill_pid;
    }
    return n;
}

/* What a dead supervisor leaves behind is in its cgroup, or becomes a child of the guardian, who has no other children
 * than supervisors. */
static bool ward_sweep(const guardian_t *g, const ward_t *w)
{
    if (w->cgroup_fd >= 0 && g->cgroups.can_kill) {
        if (cgroup_is_empty(w->cgroup_fd))
            return true;
        cgroup_kill(w->cgroup_fd);
        return false;
    }
    pid_t pids[1024];
    size_t n = own_children(g, pids, sizeof pids / sizeof *pids);
    return proc_signal_descendants(getpid(), pids, n, SIGKILL) <= 0;
}

/* Nothing of the slot is a process here any more; its container may be one elsewhere. Returns true if it was seen
 * to. */
bool ward_end_container(const guardian_t *g, ward_t *w, int64_t now_ms)
{
    char name[CONTAINER_NAME_MAX];
    uint32_t task = atomic_exchange(&w->board->container_task, 0);
    if (task > 0 && task <= g->plan.tasks_n && g->plan.tasks[task - 1].terms.kill_argv) {
        container_name(name, sizeof name, getpid(), w->slot, w->generation, atomic_load(&w->board->container_n));
        w->kill_pid = container_kill_start(&g->plan.tasks[task - 1], name, &g->plan.ordinary);
        w->kill_until_ms = now_ms + CONTAINER_WAIT_MS;
    }
    if (w->kill_pid > 0 && now_ms >= w->kill_until_ms)
        kill(w->kill_pid, SIGKILL);
    return w->kill_pid <= 0;
}

/* A run that has outlasted its timeout is closed on the board first: then it is that run that dies, or none. */
static int64_t check_timeout(ward_t *w, int64_t now_ms)
{
    uint32_t n, timeout_ms = atomic_load(&w->board->timeout_ms);
    int64_t started_ms;
    if (timeout_ms == 0 || w->is_frozen)
        return INT64_MAX;
    if (!board_running(w->board, &n, &started_ms))
        return now_ms + timeout_ms;
    int64_t end_ms = started_ms + timeout_ms + ward_frozen_ms(w, n, started_ms);
    if (now_ms < end_ms)
        return end_ms;
    if (board_close_run(w->board, n))
        ward_end(w, SLOT_DOWN_TIMEOUT, atomic_load(&w->board->grace_ms), now_ms);
    return now_ms;
}

static int64_t check_lapse(ward_t *w, int64_t now_ms)
{
    int64_t lapse_at_ms = atomic_load(&w->board->lapse_at_ms);
    if (lapse_at_ms > now_ms) {
        w->is_lapsed = false;
        ward_apply_freeze(w, now_ms);
        return lapse_at_ms;
    }
    if (!w->is_lapsed && !board_is_loaded(w->board))
        return INT64_MAX; /* nothing starts past the lapse: see the claimers */
    w->is_lapsed = true;
    ward_apply_freeze(w, now_ms);
    if (now_ms - lapse_at_ms < WARD_LAPSED_KILL_MS)
        return lapse_at_ms + WARD_LAPSED_KILL_MS;
    ward_end(w, SLOT_DOWN_LAPSED, 0, now_ms);
    return now_ms;
}

static int64_t ward_tick_up(ward_t *w, int64_t now_ms)
{
    int64_t wake_ms = check_lapse(w, now_ms);
    int64_t timeout_at_ms = w->state == WARD_UP ? check_timeout(w, now_ms) : now_ms;
    return timeout_at_ms < wake_ms ? timeout_at_ms : wake_ms;
}

int64_t ward_tick(guardian_t *g, ward_t *w, int64_t now_ms)
{
    switch (w->state) {
    case WARD_UP:
        return ward_tick_up(w, now_ms);
    case WARD_ENDING:
        if (now_ms >= w->hard_at_ms) {
            ward_kill_hard(w);
            w->hard_at_ms = now_ms + WARD_HARD_MS;
        }
        return w->hard_at_ms;
    case WARD_SWEEPING:
        if (!ward_sweep(g, w) || !ward_end_container(g, w, now_ms))
            return now_ms + WARD_SWEEP_MS;
        ward_empty(g, w);
        return now_ms;
    case WARD_STARTING:
    case WARD_EMPTY:
        break;
    }
    return INT64_MAX;
}
