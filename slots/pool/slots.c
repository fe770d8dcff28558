/* The worker's side as its caller sees it: opening and closing all slots, giving a slot its job, its runs and its
 * lapse, taking runs back, killing and freezing. What has to be asked of the guardian is noted on the slot and sent by
 * guardian_link.c; frames and results are slot_io.c's, a slot's beginning and end slot_life.c's. */
#include "slots/slots.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "slots/pool/pool.h"
#include "slots/shared/controls.h"
#include "slots/shared/proc.h"

enum { SLOTS_MAX = 65536, FRAME_SPARE_BYTES = 64 * 1024, FILES_OF_SLOT = 6, FILES_BESIDE = 128 };

static int make_plan(slots_t *s, const slots_config_t *config, fanmap_error_t *err)
{
    char libexec[PATH_MAX];
    const char *cgroups = getenv("FANMAP_CGROUPS");
    if (!proc_find_libexec("fanmap-guardian", libexec, sizeof libexec))
        return err_set(err, FANMAP_EUSAGE, "the program fanmap-guardian is missing: name its folder in FANMAP_LIBEXEC");
    task_user_t user = {0};
    if (config->task_user && task_user_find(config->task_user, &user, err) != FANMAP_OK)
        return err_wrap(err, "the user of attempts");
    plan_t plan = {.slots_n = config->slots_n,
                   .session_ms = config->session_ms,
                   .start_timeout_ms = config->start_timeout_ms,
                   .bye_ms = config->bye_ms ? config->bye_ms : BYE_MS,
                   .lasts_ms = config->lasts_ms ? config->lasts_ms : LASTS_MS,
                   .ordinary = ordinary_now(),
                   .use_cgroups = !cgroups || strcmp(cgroups, "0") != 0,
                   .libexec = libexec,
                   .tasks = (slots_task_t *)(uintptr_t)config->tasks,
                   .tasks_n = (uint32_t)config->tasks_n};
    plan.ordinary.may_gain = config->new_privileges;
    plan.ordinary.user = user;
    s->plan_fd = plan_write(&plan);
    if (s->plan_fd < 0)
        return err_set(err, FANMAP_EIO, "no memory file: %s", strerror(errno));
    return plan_read(s->plan_fd, &s->plan) ? FANMAP_OK : err_set(err, FANMAP_ENOMEM, "no memory for the plan");
}

/* A slot that starts has six here, and as many in the guardian, who inherits the limit. */
static int raise_files(uint32_t slots_n, fanmap_error_t *err)
{
    uint64_t wanted = FILES_BESIDE + (uint64_t)slots_n * FILES_OF_SLOT, hard = 0;
    if (files_raise(wanted, &hard))
        return FANMAP_OK;
    return err_set(
        err, FANMAP_EUSAGE,
        "%u slots need %llu open files, and the hard limit is %llu (ulimit -Hn, LimitNOFILE= of a unit): raise it, "
        "or take fewer --slots",
        slots_n, (unsigned long long)wanted, (unsigned long long)hard);
}

/* A limit that the operator named and that nothing here can keep is no limit. */
static int check_limits(const slots_t *s, fanmap_error_t *err)
{
    controls_t controls;
    const char *name = NULL;
    limits_t all = {0};
    for (uint32_t i = 0; i < s->plan.tasks_n; i++) {
        all.processes_n |= s->plan.tasks[i].terms.limits.processes_n;
        all.cpus_milli |= s->plan.tasks[i].terms.limits.cpus_milli;
    }
    if (!limits_any(&all))
        return FANMAP_OK;
    controls_find(&controls, s->plan.use_cgroups, 0);
    bool can = controls_can_keep(&controls, &all, &name);
    controls_close(&controls);
    return can ? FANMAP_OK
               : err_set(err, FANMAP_EUSAGE,
                         "a limit of %s cannot be kept here: it needs a cgroup whose %s controller this user may use%s",
                         name, strcmp(name, "cpus") == 0 ? "cpu" : "pids",
                         geteuid() == 0 && strcmp(name, "processes") == 0 ? " (no other limit of processes binds root)"
                                                                          : "");
}

static int make_slots(slots_t *s, fanmap_error_t *err)
{
    s->slots = calloc(s->plan.slots_n, sizeof *s->slots);
    if (!s->slots)
        return err_set(err, FANMAP_ENOMEM, "no memory for %u slots", s->plan.slots_n);
    for (uint32_t i = 0; i < s->plan.slots_n; i++) {
        slot_t *t = &s->slots[i];
        *t = (slot_t){.pool = s, .number = i, .pidfd = -1};
        t->ends[0].fd = t->ends[1].fd = -1;
        memset(t->start_fds, -1, sizeof t->start_fds);
    }
    for (uint32_t i = 0; i < s->plan.slots_n; i++) {
        int code = slot_prepare(&s->slots[i], err);
        if (code != FANMAP_OK)
            return code;
    }
    return FANMAP_OK;
}

static int make_timers(slots_t *s, fanmap_error_t *err)
{
    int code = loop_timer_new(s->loop, guardian_on_beat, s, &s->beat_timer, err);
    if (code == FANMAP_OK)
        code = loop_timer_new(s->loop, slots_on_pull, s, &s->pull_timer, err);
    if (code == FANMAP_OK)
        code = loop_timer_new(s->loop, guardian_on_step, s, &s->step_timer, err);
    if (code == FANMAP_OK)
        loop_timer_at(s->beat_timer, loop_now_ms(s->loop)); /* then by itself */
    return code;
}

int slots_open(loop_t *loop, const slots_config_t *config, const slots_callbacks_t *callbacks, void *arg, slots_t **ret,
               fanmap_error_t *err)
{
    if (config->slots_n < 1 || config->slots_n > SLOTS_MAX)
        return err_set(err, FANMAP_EUSAGE, "the number of slots must be from 1 to %d", SLOTS_MAX);
    slots_t *s = calloc(1, sizeof *s);
    if (!s)
        return err_set(err, FANMAP_ENOMEM, "no memory for slots");
    s->loop = loop;
    s->callbacks = *callbacks;
    s->arg = arg;
    s->log_fd = config->log_fd;
    s->value_bytes_max = config->value_bytes_max;
    s->ctl_fd = s->plan_fd = -1;
    int error, code = make_plan(s, config, err);
    if (code == FANMAP_OK && s->plan.use_cgroups)
        controls_make_room();
    if (code == FANMAP_OK)
        code = check_limits(s, err);
    if (code == FANMAP_OK)
        code = raise_files(s->plan.slots_n, err);
    if (code == FANMAP_OK)
        code = make_slots(s, err);
    if (code == FANMAP_OK)
        code = make_timers(s, err);
    if (code == FANMAP_OK)
        code = guardian_start(s, &error, err);
    if (code != FANMAP_OK) {
        slots_close(s);
        return code;
    }
    guardian_send_pending(s);
    *ret = s;
    return FANMAP_OK;
}

void slots_close(slots_t *s)
{
    if (!s)
        return;
    if (s->slots && s->ctl_fd >= 0)
        slots_shut_down_idle(s, (int64_t)s->plan.bye_ms + BYE_SPARE_MS);
    for (uint32_t i = 0; s->slots && i < s->plan.slots_n; i++)
        if (s->slots[i].board)
            board_close(s->slots[i].board);
    if (s->slots)
        guardian_close(s, CLOSE_WAIT_MS);
    for (uint32_t i = 0; s->slots && i < s->plan.slots_n; i++) {
        slot_release(&s->slots[i]);
        inflight_free(&s->slots[i].inflight);
        buf_free(&s->slots[i].in);
    }
    loop_timer_free(s->beat_timer);
    loop_timer_free(s->pull_timer);
    loop_timer_free(s->step_timer);
    if (s->plan_fd >= 0)
        close(s->plan_fd);
    plan_free(&s->plan);
    free(s->slots);
    free(s->lapses);
    free(s);
}

const char *slots_abilities(const slots_t *s)
{
    return s->abilities;
}

/* ---- lapses ---- */

static int64_t find_lapse(const slots_t *s, uint32_t job_key)
{
    for (size_t i = 0; i < s->lapses_n; i++)
        if (s->lapses[i].job_key == job_key)
            return s->lapses[i].at_ms;
    return INT64_MAX;
}

static bool note_lapse(slots_t *s, uint32_t job_key, int64_t at_ms)
{
    size_t i = 0;
    while (i < s->lapses_n && s->lapses[i].job_key != job_key)
        i++;
    if (i < s->lapses_n && at_ms == INT64_MAX) {
        s->lapses[i] = s->lapses[--s->lapses_n];
        return true;
    }
    if (i == s->lapses_n && at_ms == INT64_MAX)
        return true;
    if (i == s->lapses_cap) {
        lapse_t *more = array_grown(s->lapses, &s->lapses_cap, 8, sizeof *more);
        if (!more)
            return false;
        s->lapses = more;
    }
    s->lapses[i] = (lapse_t){job_key, at_ms};
    s->lapses_n += i == s->lapses_n;
    return true;
}

static void store_lapse(slots_t *s, slot_t *t, int64_t at_ms)
{
    int64_t now_ms = loop_clock_ms(), old_ms = atomic_exchange(&t->board->lapse_at_ms, at_ms);
    if (old_ms != at_ms && (old_ms <= now_ms || (at_ms != INT64_MAX && at_ms < now_ms + LOOK_AHEAD_MS)))
        s->owes_look = true;
}

void slots_set_lapse(slots_t *s, uint32_t job_key, int64_t lapse_at_ms)
{
    note_lapse(s, job_key, lapse_at_ms);
    for (uint32_t i = 0; i < s->plan.slots_n; i++) {
        slot_t *t = &s->slots[i];
        if (t->board && t->has_job && t->job_key == job_key)
            store_lapse(s, t, lapse_at_ms);
    }
    if (s->owes_look)
        guardian_send_pending(s);
}

void slots_set_timeout(slots_t *s, uint32_t timeout_ms)
{
    for (uint32_t i = 0; i < s->plan.slots_n; i++)
        if (s->slots[i].board && s->slots[i].has_job)
            atomic_store(&s->slots[i].board->timeout_ms, timeout_ms);
    s->owes_look = true;
    guardian_send_pending(s);
}

/* ---- runs ---- */

/* Returns the timeout. */
static uint32_t set_limits(slot_t *t, const slots_job_t *job)
{
    const terms_t *terms = &job->task->terms;
    limits_t limits = limits_smaller(&terms->limits, &job->limits);
    uint32_t timeout_ms = job->timeout_ms;
    if (terms->timeout_ms && (timeout_ms == 0 || terms->timeout_ms < timeout_ms))
        timeout_ms = terms->timeout_ms;
    if (memcmp(&t->board->limits, &limits, sizeof limits) != 0) {
        t->board->limits = limits;
        atomic_fetch_add(&t->board->limits_id, 1);
    }
    atomic_store(&t->board->timeout_ms, timeout_ms);
    return timeout_ms;
}

void slots_set_job(slots_t *s, uint32_t slot, uint32_t job_key, const slots_job_t *job)
{
    slot_t *t = &s->slots[slot];
    if (!t->board)
        return;
    uint32_t value_max = job->value_bytes_max;
    if (value_max == 0 || value_max > s->value_bytes_max)
        value_max = (uint32_t)s->value_bytes_max;
    slot_job_t frame = {.id = job_key,
                        .job = job->job,
                        .job_len = strlen(job->job),
                        .task = job->task->name,
                        .task_len = strlen(job->task->name),
                        .attempts_max = job->attempts_max,
                        .value_bytes_max = value_max,
                        .bound = job->bound,
                        .bound_len = job->bound_len,
                        .parts = job->parts,
                        .traceparent = job->traceparent,
                        .traceparent_len = job->traceparent ? strlen(job->traceparent) : 0,
                        .trace_salt = job->trace_salt};
    t->engine = job->task->engine;
    t->job_key = job_key;
    t->has_job = true;
    t->frame_max = (size_t)value_max + FRAME_SPARE_BYTES;
    slot_put_job(&slot_end(t)->out, &frame);
    slot_end(t)->was_used = true;
    uint32_t timeout_ms = set_limits(t, job);
    atomic_store(&t->board->grace_ms, job->grace_ms);
    atomic_store(&t->board->holds_on_error, job->holds_on_error);
    store_lapse(s, t, find_lapse(s, job_key));
    s->owes_look = s->owes_look || (timeout_ms > 0 && timeout_ms < LOOK_AHEAD_MS);
}

void slots_call(slots_t *s, uint32_t slot, uint32_t n)
{
    slot_put_call(&slot_end(&s->slots[slot])->out, n);
}

uint32_t slots_run(slots_t *s, uint32_t slot, const slot_run_t *run)
{
    slot_t *t = &s->slots[slot];
    slot_run_t numbered = *run;
    numbered.n = t->next_n;
    if (!inflight_push(&t->inflight, numbered.n))
        return numbered.n;
    t->next_n++;
    slot_put_run(&slot_end(t)->out, &numbered);
    t->unflushed++;
    return numbered.n;
}

/* Granted before it is sent: a run that is read before it may start would be dropped. */
static void flush_slot(slot_t *t)
{
    uint32_t count = t->unflushed;
    t->unflushed = 0;
    if (t->board && t->inflight.live == count)
        (void)board_take_back(t->board); /* nothing is there: an error holds nothing up */
    if (!t->board || count == 0 || !board_grant(t->board, t->next_n - count, count))
        return;
    slot_send(t, slot_end(t));
    if (t->inflight.live > 1)
        slots_pull_soon(t->pool, PULL_MS_MIN);
}

void slots_flush(slots_t *s)
{
    if (s->owes_look)
        guardian_send_pending(s);
    for (uint32_t i = 0; i < s->plan.slots_n; i++)
        if (s->slots[i].unflushed > 0)
            flush_slot(&s->slots[i]);
}

uint32_t slots_take_back(slots_t *s, uint32_t slot)
{
    slot_t *t = &s->slots[slot];
    if (!t->board || t->inflight.live == 0)
        return t->next_n;
    uint32_t next = board_take_back(t->board), first = t->next_n;
    for (size_t i = 0; i < t->inflight.n; i++) {
        const inflight_run_t *e = &t->inflight.at[(t->inflight.first + i) & (t->inflight.cap - 1)];
        if (!e->revoked && (int32_t)(e->n - next) >= 0) {
            first = e->n;
            break;
        }
    }
    t->unflushed = 0;
    inflight_revoke(&t->inflight, first, t->next_n);
    slots_pull_soon(s, 0);
    return first;
}

void slots_kill(slots_t *s, uint32_t slot, uint32_t n, bool now)
{
    slot_t *t = &s->slots[slot];
    if (!t->board || !inflight_has(&t->inflight, n))
        return;
    bool was_closed = board_is_closed(t->board);
    if (!was_closed && !board_close_run(t->board, n)) {
        if (board_was_claimed(t->board, n)) {
            slots_pull_soon(s, 0); /* it is over: its result is there */
            return;
        }
        board_close(t->board);
    }
    if (was_closed && !now)
        return;
    t->is_killing = t->owes_kill = true;
    t->kill_grace_ms = now ? 0 : atomic_load(&t->board->grace_ms);
    guardian_send_pending(s);
}

void slots_freeze(slots_t *s, uint32_t slot, bool freeze)
{
    s->slots[slot].freeze_wanted = freeze;
    guardian_send_pending(s);
}
