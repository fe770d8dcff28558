/* The worker and its guardian.
 *
 * Happy path: the guardian is started once, told which slots to start, and beats every second. Requests are not queued
 * but kept as what is wanted of each slot, so that a full socket only delays them.
 *
 * What can fail. The guardian dies or is silent for 3 s: it is killed, which makes its supervisors kill what they have
 * and leave; after a moment they are killed too, with everything below them; cgroups are killed where there are any.
 * When nothing is left, guardian_lost, then `down` of every slot, then a new guardian. The worker itself was stopped:
 * the guardian's beats are read before its silence is judged, and it is given another 3 s.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "slots/pool/pool.h"
#include "slots/shared/proc.h"

static void read_ctl(slots_t *s);
static void lose_guardian(slots_t *s, bool was_silent);

static void on_ctl(void *arg, int fd, unsigned events)
{
    slots_t *s = arg;
    (void)fd;
    if (events & LOOP_WRITE)
        s->ctl_is_full = false;
    if (events & LOOP_READ)
        read_ctl(s);
    if (s->ctl_fd >= 0)
        guardian_send_pending(s);
}

void guardian_plan_step(slots_t *s, int64_t at_ms)
{
    for (uint32_t i = 0; i < s->plan.slots_n; i++)
        if (s->slots[i].state == SLOT_OFF && s->slots[i].start_at_ms < at_ms)
            at_ms = s->slots[i].start_at_ms;
    if (s->is_lost || s->ctl_fd < 0)
        at_ms = loop_now_ms(s->loop) + LOST_STEP_MS;
    loop_timer_at(s->step_timer, at_ms);
}

/* What attempts inherit in the end. */
static char **guardian_env(task_user_t *user)
{
    char *own[TASK_USER_VARIABLES + 1] = {NULL};
    for (int i = 0; i < TASK_USER_VARIABLES && user->is_set; i++)
        own[i] = user->env[i];
    return proc_clean_env(own);
}

int guardian_start(slots_t *s, int *ret_errno, fanmap_error_t *err)
{
    char path[4096];
    char *argv[] = {(char[]){"fanmap-guardian"}, s->log_fd >= 0 ? (char[]){"log"} : (char[]){"-"}, NULL};
    int pair[2];
    snprintf(path, sizeof path, "%s/fanmap-guardian", s->plan.libexec);
    char **env = guardian_env(&s->plan.ordinary.user);
    s->is_proven = false;
    if (!env || ctl_pair(SOCK_SEQPACKET, pair) != 0) {
        *ret_errno = errno;
        free(env);
        return err_set_retry(err, FANMAP_EIO, "no socket for the guardian: %s", strerror(*ret_errno));
    }
    int fds[] = {pair[1], s->plan_fd, s->log_fd};
    proc_program_t program = {path, argv, env, fds, s->log_fd >= 0 ? 3 : 2, s->log_fd, true};
    int error = proc_spawn(&program, &s->guardian_pid);
    free(env);
    close(pair[1]);
    if (error) {
        close(pair[0]);
        s->guardian_pid = 0;
        *ret_errno = error;
        return err_set_retry(err, FANMAP_EIO, "cannot start %s: %s", path, strerror(error));
    }
    *ret_errno = 0;
    s->ctl_fd = pair[0];
    s->ctl_is_full = false;
    s->started_ms = s->heard_ms = s->beat_at_ms = loop_now_ms(s->loop);
    return loop_watch_add(s->loop, s->ctl_fd, LOOP_READ, on_ctl, s, &s->ctl_watch, err);
}

static bool send_ctl(slots_t *s, const ctl_message_t *m, const int *fds, unsigned fds_n)
{
    if (s->ctl_is_full || s->ctl_fd < 0)
        return false;
    if (ctl_send(s->ctl_fd, m, fds, fds_n) == 0)
        return true;
    s->ctl_is_full = errno == EAGAIN;
    return false;
}

static void send_start(slot_t *t)
{
    ctl_message_t m = {.type = CTL_START, .slot = t->number, .generation = t->generation};
    if (!send_ctl(t->pool, &m, t->start_fds, CTL_START_FDS))
        return;
    for (int i = 0; i < CTL_START_FDS; i++) {
        close(t->start_fds[i]);
        t->start_fds[i] = -1;
    }
    t->state = SLOT_ASKED;
}

static void send_pending_of(slots_t *s, slot_t *t)
{
    ctl_message_t m = {.slot = t->number, .generation = t->generation};
    if (t->state == SLOT_OFF && t->board)
        send_start(t);
    m.type = CTL_KILL;
    m.grace_ms = t->kill_grace_ms;
    if (t->owes_kill && t->state != SLOT_OFF && send_ctl(s, &m, NULL, 0))
        t->owes_kill = false;
    m.type = t->freeze_wanted ? CTL_FREEZE : CTL_THAW;
    if (t->freeze_wanted != t->freeze_sent && t->state == SLOT_UP && send_ctl(s, &m, NULL, 0))
        t->freeze_sent = t->freeze_wanted;
}

void guardian_send_pending(slots_t *s)
{
    ctl_message_t look = {.type = CTL_LOOK};
    if (s->ctl_fd < 0 || s->is_lost)
        return;
    for (uint32_t i = 0; i < s->plan.slots_n; i++)
        send_pending_of(s, &s->slots[i]);
    if (s->owes_look && send_ctl(s, &look, NULL, 0))
        s->owes_look = false;
    if (s->ctl_watch)
        loop_watch_set(s->ctl_watch, s->ctl_is_full ? LOOP_READ | LOOP_WRITE : LOOP_READ);
}

static void handle(slots_t *s, const ctl_message_t *m, int *fds)
{
    slot_t *t = m->slot < s->plan.slots_n ? &s->slots[m->slot] : NULL;
    bool is_current = t && t->board && t->generation == m->generation;
    if (m->type == CTL_ABILITIES)
        snprintf(s->abilities, sizeof s->abilities, "%s", m->text);
    else if (m->type == CTL_DOWN && is_current && t->state != SLOT_OFF)
        slot_went_down(t, m);
    else if (m->type == CTL_NOTE && is_current && t->state == SLOT_UP)
        s->callbacks.note(s->arg, t->number, m->text);
    else if (m->type == CTL_UP && is_current) {
        slot_went_up(t, m, fds[0]);
        fds[0] = -1;
    }
    for (int i = 0; i < CTL_FDS_MAX; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

static void read_ctl(slots_t *s)
{
    ctl_message_t m;
    int fds[CTL_FDS_MAX], got = -1;
    while (s->ctl_fd >= 0 && (got = ctl_receive(s->ctl_fd, &m, fds)) > 0) {
        s->heard_ms = loop_now_ms(s->loop);
        handle(s, &m, fds);
    }
    if (got == 0)
        lose_guardian(s, false);
}

/* Often enough that two lost beats are no silence. */
static int64_t beat_ms(const slots_t *s)
{
    int64_t ms = s->plan.session_ms / 8;
    return ms == 0 || ms > BEAT_MS ? BEAT_MS : ms;
}

void guardian_on_beat(void *arg)
{
    slots_t *s = arg;
    int64_t now_ms = loop_now_ms(s->loop);
    ctl_message_t beat = {.type = CTL_BEAT};
    loop_timer_at(s->beat_timer, now_ms + beat_ms(s));
    if (s->ctl_fd < 0 || s->is_lost)
        return;
    bool was_stopped = now_ms - s->beat_at_ms > 2 * BEAT_MS;
    s->beat_at_ms = now_ms;
    read_ctl(s);
    if (was_stopped)
        s->heard_ms = now_ms;
    if (s->ctl_fd >= 0 && now_ms - s->heard_ms >= GUARDIAN_SILENT_MS)
        lose_guardian(s, true);
    send_ctl(s, &beat, NULL, 0);
}

/* ---- a guardian that is gone ---- */

static void lose_guardian(slots_t *s, bool was_silent)
{
    if (s->is_lost)
        return;
    s->is_lost = true;
    s->was_silent = was_silent;
    s->lost_at_ms = loop_now_ms(s->loop);
    loop_watch_remove(s->ctl_watch);
    s->ctl_watch = NULL;
    close(s->ctl_fd);
    s->ctl_fd = -1;
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

/* One look at what is left, killing it. True: nothing is. */
static bool clean_up(slots_t *s, pid_t guardian, int64_t now_ms)
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

static void say_how_it_ended(const slots_t *s, char *ret, size_t cap)
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
    say_how_it_ended(s, how, sizeof how);
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

static void plan_guardian(slots_t *s, int64_t now_ms)
{
    uint32_t next_ms = s->restart_ms ? s->restart_ms * 2 : RESTART_MS_MIN;
    s->start_at_ms = now_ms + s->restart_ms;
    s->restart_ms = next_ms < RESTART_MS_MAX ? next_ms : RESTART_MS_MAX;
}

static void go_on_losing(slots_t *s, int64_t now_ms)
{
    if (s->guardian_pid > 0)
        s->lost_pid = s->guardian_pid;
    bool is_reaped = guardian_is_reaped(s);
    bool is_clean = clean_up(s, s->lost_pid, now_ms);
    if (!(is_reaped && is_clean) && now_ms - s->lost_at_ms < LOST_MAX_MS)
        return;
    s->is_lost = false;
    report_lost(s);
    if (s->lost_at_ms - s->started_ms >= STEADY_MS)
        s->restart_ms = 0;
    plan_guardian(s, now_ms);
}

static void start_again(slots_t *s, int64_t now_ms)
{
    fanmap_error_t err;
    int error;
    if (guardian_start(s, &error, &err) == FANMAP_OK)
        return;
    start_failed(s, &s->failures, proc_is_shortage(error), err.message);
    plan_guardian(s, now_ms);
}

static void prepare_again(slot_t *t)
{
    fanmap_error_t err;
    if (slot_prepare(t, &err) == FANMAP_OK)
        return;
    start_failed(t->pool, &t->failures, true, err.message);
    slot_plan_restart(t, false);
}

void guardian_on_step(void *arg)
{
    slots_t *s = arg;
    int64_t now_ms = loop_now_ms(s->loop);
    if (s->has_failed)
        return;
    if (s->is_lost)
        go_on_losing(s, now_ms);
    else if (s->ctl_fd < 0 && now_ms >= s->start_at_ms)
        start_again(s, now_ms);
    bool wait = s->is_lost || s->ctl_fd < 0;
    for (uint32_t i = 0; i < s->plan.slots_n && !wait; i++) {
        slot_t *t = &s->slots[i];
        if (t->state == SLOT_OFF && !t->board && now_ms >= t->start_at_ms)
            prepare_again(t);
    }
    guardian_send_pending(s);
    for (uint32_t i = 0; i < s->plan.slots_n; i++)
        wait = wait || (s->slots[i].state == SLOT_OFF && !s->slots[i].board);
    if (wait)
        guardian_plan_step(s, INT64_MAX);
}

void guardian_close(slots_t *s, int64_t wait_ms)
{
    loop_watch_remove(s->ctl_watch);
    s->ctl_watch = NULL;
    if (s->ctl_fd >= 0)
        close(s->ctl_fd);
    s->ctl_fd = -1;
    pid_t pid = s->guardian_pid > 0 ? s->guardian_pid : s->lost_pid;
    struct pollfd p = {.fd = s->guardian_pid > 0 ? proc_pidfd(s->guardian_pid) : -1, .events = POLLIN};
    if (p.fd >= 0 && poll(&p, 1, (int)wait_ms) <= 0)
        kill(s->guardian_pid, SIGKILL);
    if (p.fd >= 0)
        close(p.fd);
    if (s->guardian_pid > 0)
        waitpid(s->guardian_pid, NULL, 0);
    s->guardian_pid = 0;
    int64_t now_ms = proc_now_ms();
    s->lost_at_ms = now_ms - LOST_PATIENCE_MS;
    for (int i = 0; i < 100 && pid > 0 && !clean_up(s, pid, now_ms); i++)
        poll(NULL, 0, 5);
}
