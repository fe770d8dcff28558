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
    const int fds[] = {-1, -1, s->log_fd, pair[1], s->plan_fd, s->log_fd};
    proc_program_t program = {.path = path, .argv = argv, .env = env, .fds = fds, .fds_n = s->log_fd >= 0 ? 6 : 5};
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
    s->started_ms = s->last_message_ms = s->beat_at_ms = loop_now_ms(s->loop);
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
    for (int i = 0; i < CTL_START_FDS; i++)
        proc_close_fd(&t->start_fds[i]);
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

static void handle_message(slots_t *s, const ctl_message_t *m, int *fds)
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
        proc_close_fd(&fds[i]);
}

static void read_ctl(slots_t *s)
{
    ctl_message_t m;
    int fds[CTL_FDS_MAX], got = -1;
    while (s->ctl_fd >= 0 && (got = ctl_receive(s->ctl_fd, &m, fds)) > 0) {
        s->last_message_ms = loop_now_ms(s->loop);
        handle_message(s, &m, fds);
    }
    if (got == 0)
        guardian_lose(s, false);
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
        s->last_message_ms = now_ms;
    if (s->ctl_fd >= 0 && now_ms - s->last_message_ms >= GUARDIAN_SILENT_MS)
        guardian_lose(s, true);
    send_ctl(s, &beat, NULL, 0);
}

static void start_again(slots_t *s, int64_t now_ms)
{
    fanmap_error_t err;
    int error;
    if (guardian_start(s, &error, &err) == FANMAP_OK)
        return;
    start_failed(s, &s->failures, proc_is_shortage(error), err.message);
    guardian_plan_start(s, now_ms);
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
        guardian_clean_up(s, now_ms);
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
    proc_close_fd(&s->ctl_fd);
    pid_t pid = s->guardian_pid > 0 ? s->guardian_pid : s->lost_pid;
    struct pollfd p = {.fd = s->guardian_pid > 0 ? proc_pidfd(s->guardian_pid) : -1, .events = POLLIN};
    if (p.fd >= 0 && poll(&p, 1, (int)wait_ms) <= 0)
        kill(s->guardian_pid, SIGKILL);
    proc_close_fd(&p.fd);
    if (s->guardian_pid > 0)
        waitpid(s->guardian_pid, NULL, 0);
    s->guardian_pid = 0;
    int64_t now_ms = proc_now_ms();
    s->lost_at_ms = now_ms - LOST_PATIENCE_MS;
    for (int i = 0; i < 100 && pid > 0 && !guardian_kill_left(s, pid, now_ms); i++)
        poll(NULL, 0, 5);
}
