/* fanmap-guardian: keeps a worker's slots within their limits, even while the worker itself is stopped.
 *
 * Happy path. The worker starts it in a session of its own with 3: ctl, 4: plan, 5: log. It starts a supervisor for
 * each slot the worker asks for, says `up`, sleeps until the next deadline on any board, and beats once a second.
 *
 * What can fail. The worker goes away (end of ctl): everything is killed, and the guardian leaves. The worker is silent
 * for half its Kafka session: everything is killed, for the fleet runs it elsewhere. A supervisor dies: see ward.h. The
 * ctl queue is full because the worker is stopped: `up` and `down` are owed until it reads again. The guardian itself
 * dies: supervisors see the end of their link and kill what they have; the worker makes sure of it.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "slots/guardian/ward.h"
#include "slots/shared/proc.h"

enum { CTL_FD = PROC_FIRST_FD, PLAN_FD, LOG_FD, FIRST_UNUSED_FD, BEAT_MS = 1000, SILENT_MS = 3000 };

/* Of every slot at once. */
static void end_containers(guardian_t *g)
{
    int64_t end_ms = proc_now_ms() + CONTAINER_WAIT_MS;
    bool any = false;
    for (uint32_t i = 0; i < g->wards_n; i++)
        any = (g->wards[i].board && !ward_end_container(g, &g->wards[i], proc_now_ms())) || any;
    while (any && proc_now_ms() < end_ms) {
        any = waitpid(-1, NULL, WNOHANG) >= 0;
        poll(NULL, 0, 1);
    }
}

static void kill_all_and_leave(guardian_t *g)
{
    for (uint32_t i = 0; i < g->wards_n; i++)
        if (g->wards[i].board)
            board_close(g->wards[i].board);
    for (int i = 0; i < 2000; i++) {
        if (g->cgroups.dir_fd >= 0)
            cgroup_root_kill(&g->cgroups);
        int found = proc_signal_descendants(getpid(), NULL, 0, SIGKILL);
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
        if (found <= 0 && (g->cgroups.dir_fd < 0 || cgroup_root_remove(&g->cgroups)))
            break;
        poll(NULL, 0, 1);
    }
    controls_remove_all(&g->controls, getpid());
    end_containers(g);
    _exit(0);
}

static void handle_message(guardian_t *g, const ctl_message_t *m, int *fds, int64_t now_ms)
{
    ward_t *w = m->slot < g->wards_n ? &g->wards[m->slot] : NULL;
    bool is_current = w && w->generation == m->generation;
    if (m->type == CTL_START && w && w->state == WARD_EMPTY)
        ward_start(g, w, m->generation, fds);
    else if (m->type == CTL_KILL && is_current)
        ward_end(w, SLOT_DOWN_KILLED, m->grace_ms, now_ms);
    else if ((m->type == CTL_FREEZE || m->type == CTL_THAW) && is_current) {
        w->freeze_asked = m->type == CTL_FREEZE;
        ward_apply_freeze(w, now_ms);
    }
    for (int i = 0; i < CTL_FDS_MAX; i++)
        proc_close_fd(&fds[i]);
}

static void read_ctl(guardian_t *g, int64_t now_ms)
{
    ctl_message_t m;
    int fds[CTL_FDS_MAX], got;
    while ((got = ctl_receive(g->ctl_fd, &m, fds)) > 0) {
        g->last_message_ms = now_ms;
        handle_message(g, &m, fds, now_ms);
    }
    if (got == 0)
        kill_all_and_leave(g);
}

static void reap(guardian_t *g)
{
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
        if (pid == g->sweeper_pid)
            g->sweeper_pid = 0;
        for (uint32_t i = 0; i < g->wards_n; i++) {
            ward_t *w = &g->wards[i];
            if (w->kill_pid == pid)
                w->kill_pid = 0;
            else if (w->pid == pid && w->state != WARD_EMPTY)
                ward_exited(w, status);
        }
    }
}

static bool send_owed(const guardian_t *g, const ctl_message_t *m, bool *owes)
{
    if (*owes && ctl_send(g->ctl_fd, m, NULL, 0) != 0)
        return false;
    *owes = false;
    return true;
}

static bool send_owed_of(guardian_t *g, ward_t *w)
{
    if (w->owes_up) {
        ctl_message_t m = {.type = CTL_UP, .slot = w->slot, .generation = w->generation, .pid = w->pid};
        if (ctl_send(g->ctl_fd, &m, &w->pidfd, w->pidfd >= 0) != 0)
            return false;
        w->owes_up = false;
    }
    return send_owed(g, &w->note, &w->owes_note) && send_owed(g, &w->down, &w->owes_down);
}

/* Returns true if everything owed was sent. */
static bool send_all_owed(guardian_t *g)
{
    for (uint32_t i = 0; i < g->wards_n; i++)
        if (!send_owed_of(g, &g->wards[i]))
            return false;
    return true;
}

static void check_silence(guardian_t *g, int64_t now_ms)
{
    if (g->plan.session_ms == 0 || now_ms - g->last_message_ms < g->plan.session_ms / 2)
        return;
    for (uint32_t i = 0; i < g->wards_n; i++)
        ward_end(&g->wards[i], SLOT_DOWN_LAPSED, 0, now_ms);
}

static int64_t silence_at_ms(const guardian_t *g)
{
    return g->plan.session_ms ? g->last_message_ms + g->plan.session_ms / 2 : INT64_MAX;
}

static void beat(guardian_t *g, int64_t now_ms, int64_t *beat_at_ms)
{
    if (now_ms < *beat_at_ms)
        return;
    *beat_at_ms = now_ms + BEAT_MS;
    ctl_message_t m = {.type = CTL_BEAT};
    if (now_ms - g->last_message_ms < SILENT_MS)
        (void)ctl_send(g->ctl_fd, &m, NULL, 0);
}

static int64_t tick(guardian_t *g, int64_t now_ms)
{
    int64_t wake_ms = now_ms + BEAT_MS;
    check_silence(g, now_ms);
    if (silence_at_ms(g) > now_ms && silence_at_ms(g) < wake_ms)
        wake_ms = silence_at_ms(g);
    for (uint32_t i = 0; i < g->wards_n; i++) {
        int64_t at_ms = ward_tick(g, &g->wards[i], now_ms);
        wake_ms = at_ms < wake_ms ? at_ms : wake_ms;
    }
    return wake_ms;
}

/* Waits for any descriptor; the links' results are left in `polls`. */
static void wait_and_read(guardian_t *g, int signal_fd, struct pollfd *polls, int timeout_ms, bool is_all_sent)
{
    struct signalfd_siginfo info[8];
    polls[0] = (struct pollfd){.fd = g->ctl_fd, .events = (short)(POLLIN | (is_all_sent ? 0 : POLLOUT))};
    polls[1] = (struct pollfd){.fd = signal_fd, .events = POLLIN};
    for (uint32_t i = 0; i < g->wards_n; i++)
        polls[2 + i] =
            (struct pollfd){.fd = g->wards[i].state == WARD_EMPTY ? -1 : g->wards[i].link_fd, .events = POLLIN};
    if (poll(polls, g->wards_n + 2, timeout_ms) < 0)
        return;
    for (uint32_t i = 0; i < g->wards_n; i++)
        if (polls[2 + i].fd >= 0 && polls[2 + i].revents)
            ward_read_link(&g->wards[i]);
    if (polls[1].revents && read(signal_fd, info, sizeof info) > 0)
        reap(g);
    if (polls[0].revents & (POLLIN | POLLHUP | POLLERR))
        read_ctl(g, proc_now_ms());
}

static int run(guardian_t *g, int signal_fd)
{
    struct pollfd *polls = calloc(g->wards_n + 2, sizeof *polls);
    int64_t beat_at_ms = 0;
    ctl_message_t hello = {.type = CTL_ABILITIES};
    char limits[CONTROLS_TEXT_MAX];
    snprintf(hello.text, sizeof hello.text, "%.310s; %s", g->cgroups.text,
             controls_format(limits, sizeof limits, &g->controls));
    if (!polls || ctl_send(g->ctl_fd, &hello, NULL, 0) != 0)
        return 1;
    g->last_message_ms = proc_now_ms();
    for (;;) {
        int64_t now_ms = proc_now_ms();
        int64_t wake_ms = tick(g, now_ms);
        bool is_all_sent = send_all_owed(g);
        beat(g, now_ms, &beat_at_ms);
        now_ms = proc_now_ms();
        wait_and_read(g, signal_fd, polls, wake_ms > now_ms ? (int)(wake_ms - now_ms) : 0, is_all_sent);
    }
}

/* Takes a while, so that it is a process of its own. */
static void start_sweeper(guardian_t *g)
{
    bool any = false;
    for (uint32_t i = 0; i < g->plan.tasks_n; i++)
        any = any || g->plan.tasks[i].terms.list_argv;
    g->sweeper_pid = any ? fork() : 0;
    if (any && g->sweeper_pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        container_sweep(&g->plan);
        _exit(0);
    }
}

static bool set_up(guardian_t *g, bool has_log)
{
    proc_close_from(has_log ? FIRST_UNUSED_FD : LOG_FD);
    for (int fd = CTL_FD; fd < (has_log ? FIRST_UNUSED_FD : LOG_FD); fd++)
        fcntl(fd, F_SETFD, FD_CLOEXEC);
    *g = (guardian_t){.plan_fd = PLAN_FD, .ctl_fd = CTL_FD, .log_fd = has_log ? LOG_FD : -1};
    prctl(PR_SET_NAME, "fanmap-guardian");
    child_harden();
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    if (!plan_read(PLAN_FD, &g->plan))
        return false;
    g->wards_n = g->plan.slots_n;
    g->wards = calloc(g->wards_n, sizeof *g->wards);
    if (!g->wards)
        return false;
    for (uint32_t i = 0; i < g->wards_n; i++)
        g->wards[i] = (ward_t){.slot = i, .pidfd = -1, .link_fd = -1, .cgroup_fd = -1};
    cgroup_root_open(&g->cgroups, getpid(), g->plan.use_cgroups);
    controls_find(&g->controls, g->plan.use_cgroups, 0);
    controls_sweep(&g->controls);
    start_sweeper(g);
    if (g->cgroups.dir_fd >= 0)
        controls_pass_on(&g->controls, g->cgroups.dir_fd);
    return true;
}

int main(int argc, char **argv)
{
    guardian_t g;
    sigset_t mask;
    if (argc != 2 || !set_up(&g, strcmp(argv[1], "log") == 0)) {
        fputs("fanmap-guardian is started by fanmap, not by hand\n", stderr);
        return 2;
    }
    sigemptyset(&mask);
    sigaddset(&mask, SIGCHLD);
    sigprocmask(SIG_BLOCK, &mask, NULL);
    int signal_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    _exit(signal_fd < 0 ? 1 : run(&g, signal_fd)); /* what it has ends with it */
}
