#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "worker/shell/state.h"
#include "worker/shell/stream.h"

/* A task whose program or library does not start. */
struct start_trouble {
    unsigned failures; /* in a row */
    int64_t since_ms;
    bool was_told;
};

static const slots_task_t *find_task(const worker_shell_t *shell, const char *name)
{
    const slots_catalogue_t *catalogue = shell->config.catalogue;
    for (size_t i = 0; i < catalogue->n; i++)
        if (strcmp(catalogue->tasks[i].name, name) == 0)
            return &catalogue->tasks[i];
    return NULL;
}

/* What attempts of a job are given here is told when it first runs, as long as not too many others come between. */
static bool is_told(worker_shell_t *shell, uint32_t job_key)
{
    for (size_t i = 0; i < TOLD_JOBS; i++)
        if (shell->told_jobs[i] == job_key)
            return true;
    shell->told_jobs[shell->told_at++ % TOLD_JOBS] = job_key;
    return false;
}

static void tell_limits(worker_shell_t *shell, uint32_t job_key, const slots_job_t *job)
{
    char text[LIMITS_TEXT_MAX];
    limits_t limits = limits_smaller(&job->task->terms.limits, &job->limits);
    if (limits_any(&limits) && !is_told(shell, job_key))
        shell_log(shell, FANMAP_LOG_INFO, "job %s: an attempt of %s gets %s", job->job, job->task->name,
                  limits_format(text, sizeof text, &limits));
}

/* Attempts of other workers, and in other slots, have other spans. */
static uint64_t trace_salt(const worker_shell_t *shell, uint32_t slot, const char *job)
{
    uint64_t salt = XXH64(shell->incarnation, strlen(shell->incarnation), slot);
    return XXH64(job, strlen(job), salt);
}

/* Before the core hears of its end: then it knows the attempt no more. run_us 0: not known. */
static void tell_trace(const worker_shell_t *shell, uint32_t slot, uint32_t n, fanmap_kind_t kind, const char *cut,
                       uint64_t run_us)
{
    worker_attempt_t a;
    if (!shell->callbacks.traced || !shell->has_traced || !worker_attempt(shell->core, slot, n, &a) || !a.spec ||
        !a.spec->traceparent[0] || !trace_is_sampled(a.spec->traceparent))
        return;
    if (run_us == 0 && loop_now_ms(shell->loop) > a.since_ms)
        run_us = (uint64_t)(loop_now_ms(shell->loop) - a.since_ms) * 1000;
    uint64_t span = trace_span(trace_salt(shell, slot, a.job), a.index, a.attempt, n);
    shell->callbacks.traced(shell->arg, &a, span, kind, cut, run_us);
}

static void set_job(worker_shell_t *shell, const worker_action_t *a)
{
    const spec_t *spec = a->run.spec;
    slots_job_t job = {.limits = {.memory_bytes = spec->memory_bytes,
                                  .cpus_milli = spec->cpus_milli,
                                  .cpu_time_ms = spec->cpu_time_ms},
                       .job = spec->job,
                       .task = find_task(shell, spec->task),
                       .attempts_max = spec->retries + 1,
                       .value_bytes_max = spec->value_bytes_max,
                       .timeout_ms = spec->timeout_ms ? spec->timeout_ms : shell->room.timeout_ms,
                       .grace_ms = spec->grace_ms,
                       .holds_on_error = spec_ends_on_errors(spec),
                       .bound = spec->bound,
                       .bound_len = spec->bound_len,
                       .parts = spec->sequences_n,
                       .traceparent = spec->traceparent,
                       .trace_salt = trace_salt(shell, a->run.slot, spec->job)};
    shell->has_traced |= spec->traceparent[0] != '\0';
    tell_limits(shell, a->run.job_key, &job);
    slots_set_job(shell->slots, a->run.slot, a->run.job_key, &job);
    shell->slot_job[a->run.slot] = a->run.job_key;
    shell->slot_task[a->run.slot] = (size_t)(job.task - shell->config.catalogue->tasks);
}

void shell_run(worker_shell_t *shell, const worker_action_t *a)
{
    slot_run_t run = {.index = a->run.index,
                      .fence = a->run.fence,
                      .attempt = a->run.attempt,
                      .deadline_ms = a->run.deadline_ms,
                      .in = a->run.in,
                      .in_len = a->run.in_len};
    if (shell->stream)
        shell_stream_context(shell, a, &run);
    if (shell->slot_job[a->run.slot] != a->run.job_key)
        set_job(shell, a);
    if (a->run.call_n > 1)
        slots_call(shell->slots, a->run.slot, a->run.call_n);
    worker_ran(shell->core, a->run.item, slots_run(shell->slots, a->run.slot, &run));
}

void shell_take_back(worker_shell_t *shell, const worker_action_t *a)
{
    shell->takes[shell->takes_n] = a->take_back.slot;
    shell->take_n[shell->takes_n] = slots_take_back(shell->slots, a->take_back.slot);
    shell->takes_n++;
}

/* ---- what slots tell ---- */

static void on_up(void *arg, uint32_t slot)
{
    worker_shell_t *shell = arg;
    shell->slot_job[slot] = 0;
    if (!shell->told_abilities)
        shell_log(shell, FANMAP_LOG_INFO, "slots: %s", slots_abilities(shell->slots));
    shell->told_abilities = true;
    shell_step(shell, &(worker_event_t){.type = WORKER_SLOT_UP, .slot = {slot}});
}

/* Its slots are started anew, each time a little later; once it has failed some times in a row, over some time, that is
 * told. */
static void does_not_start(worker_shell_t *shell, size_t task, const char *why)
{
    struct start_trouble *trouble = &shell->start_troubles[task];
    int64_t now_ms = loop_now_ms(shell->loop);
    if (trouble->failures++ == 0)
        trouble->since_ms = now_ms;
    if (trouble->was_told || trouble->failures < START_TRIES || now_ms < trouble->since_ms + START_TRIES_MS)
        return;
    trouble->was_told = true;
    if (shell->callbacks.cannot_start)
        shell->callbacks.cannot_start(shell->arg, shell->task_names[task], why);
}

static void does_start(worker_shell_t *shell, size_t task)
{
    struct start_trouble *trouble = &shell->start_troubles[task];
    if (trouble->was_told && shell->callbacks.cannot_start)
        shell->callbacks.cannot_start(shell->arg, shell->task_names[task], NULL);
    *trouble = (struct start_trouble){0};
}

/* Before the core hears of it: then it knows the attempt no more. */
static void tell_failure(worker_shell_t *shell, uint32_t slot, uint32_t n, const outcome_t *outcome, bool has_died,
                         bool is_final)
{
    worker_attempt_t attempt;
    if (!shell->callbacks.failed || !worker_attempt(shell->core, slot, n, &attempt))
        return;
    bool is_last = !has_died && (is_final || (attempt.spec && attempt.attempt > attempt.spec->retries));
    shell->callbacks.failed(shell->arg, &attempt, outcome, is_last);
}

static void on_done(void *arg, uint32_t slot, const slot_done_t *done)
{
    worker_shell_t *shell = arg;
    if (shell->start_troubles[shell->slot_task[slot]].failures > 0)
        does_start(shell, shell->slot_task[slot]);
    worker_event_t event = {.type = WORKER_ATTEMPT_DONE, .more = !shell->stream};
    event.done.slot = slot;
    event.done.n = done->n;
    event.done.kind = done->kind;
    event.done.final = done->final;
    event.done.is_whole = done->is_whole;
    event.done.outcome = (outcome_t){.kind = done->kind,
                                     .value = done->value,
                                     .value_len = done->value_len,
                                     .type = done->type,
                                     .type_len = done->type_len,
                                     .message = done->message,
                                     .message_len = done->message_len,
                                     .stderr_tail = done->stderr_tail,
                                     .stderr_len = done->stderr_len,
                                     .stdout_tail = done->stdout_tail,
                                     .stdout_len = done->stdout_len,
                                     .exit_status = done->exit_status,
                                     .signo = done->signo,
                                     .run_us = done->run_us};
    if (done->kind == FANMAP_VALUE)
        shell_note_run(shell, done->run_us);
    else if (!done->is_whole)
        tell_failure(arg, slot, done->n, &event.done.outcome, false, done->final);
    tell_trace(shell, slot, done->n, done->kind, NULL, done->run_us);
    shell_step(arg, &event);
}

/* Slots fail together, and again and again: what holds for many of them is said once a second, with how often. */
static void say_trouble(worker_shell_t *shell, fanmap_log_level_t level, const char *line)
{
    int64_t now_ms = loop_now_ms(shell->loop);
    if (now_ms < shell->trouble_next_ms) {
        shell->trouble_unsaid++;
        return;
    }
    if (shell->trouble_unsaid > 0)
        shell_log(shell, level, "%s (and %u lines like it before)", line, shell->trouble_unsaid);
    else
        shell_log(shell, level, "%s", line);
    shell->trouble_unsaid = 0;
    shell->trouble_next_ms = now_ms + TROUBLE_EVERY_MS;
}

static void on_back(void *arg, uint32_t slot, uint32_t from, uint32_t to)
{
    shell_step(arg, &(worker_event_t){.type = WORKER_GIVEN_BACK, .given_back = {slot, from, to}});
}

static fanmap_kind_t down_kind(const slot_down_t *down)
{
    if (down->why == SLOT_DOWN_TIMEOUT)
        return FANMAP_TIMEOUT;
    if (down->out_of_memory)
        return FANMAP_MEMORY;
    return down->signo ? FANMAP_SIGNAL : FANMAP_EXIT;
}

/* Why it ended without a word about the item; NULL: it is charged. */
static const char *down_cut(const slot_down_t *down)
{
    bool is_charged = down->why == SLOT_DOWN_DIED || down->why == SLOT_DOWN_TIMEOUT;
    return is_charged ? NULL : down->why == SLOT_DOWN_LAPSED ? "lapsed" : "killed";
}

/* The message that a charge carries, where the slot gives none. */
static const char *down_message(const slot_down_t *down, char *text, size_t cap)
{
    if (down->message && *down->message)
        return down->message;
    if (down->why == SLOT_DOWN_TIMEOUT)
        snprintf(text, cap, "the attempt ran for longer than its timeout");
    else if (down->out_of_memory)
        snprintf(text, cap, "the attempt went over its memory limit");
    else if (down->signo)
        snprintf(text, cap, "the task's process was killed by signal %d (%s)", down->signo, strsignal(down->signo));
    else
        snprintf(text, cap, "the task's process ended with status %d", down->exit_status);
    return text;
}

static void on_down(void *arg, uint32_t slot, const slot_down_t *down)
{
    static const attempt_down_t whys[] = {
        [SLOT_DOWN_DIED] = ATTEMPT_DIED,         [SLOT_DOWN_TIMEOUT] = ATTEMPT_TIMEOUT,
        [SLOT_DOWN_KILLED] = ATTEMPT_KILLED,     [SLOT_DOWN_LAPSED] = ATTEMPT_LAPSED,
        [SLOT_DOWN_UNUSABLE] = ATTEMPT_UNUSABLE, [SLOT_DOWN_GUARDIAN] = ATTEMPT_GUARDIAN_LOST};
    worker_shell_t *shell = arg;
    char text[160];
    const char *message = down_message(down, text, sizeof text);
    worker_event_t event = {.type = WORKER_SLOT_DOWN};
    event.down.slot = slot;
    event.down.why = whys[down->why];
    event.down.has_attempt = down->has_attempt;
    event.down.n = down->n;
    event.down.unstarted_from = down->unstarted_from;
    event.down.outcome = (outcome_t){.kind = down_kind(down),
                                     .message = message,
                                     .message_len = strlen(message),
                                     .stderr_tail = down->stderr_tail,
                                     .stderr_len = down->stderr_len,
                                     .exit_status = down->exit_status,
                                     .signo = down->signo};
    bool has_job = shell->slot_job[slot] != 0;
    shell->slot_job[slot] = 0;
    if (down->why == SLOT_DOWN_UNUSABLE) {
        char line[TROUBLE_BYTES];
        snprintf(line, sizeof line, "slot %u: %s", slot, message);
        say_trouble(shell, FANMAP_LOG_ERROR, line);
        if (has_job && !down->is_short)
            does_not_start(shell, shell->slot_task[slot], message);
    }
    if (down->has_attempt && (down->why == SLOT_DOWN_DIED || down->why == SLOT_DOWN_TIMEOUT))
        tell_failure(shell, slot, down->n, &event.down.outcome, true, false);
    if (down->has_attempt)
        tell_trace(shell, slot, down->n, down_kind(down), down_cut(down), 0);
    shell_step(shell, &event);
}

static void on_guardian_lost(void *arg, const char *why)
{
    const worker_shell_t *shell = arg;
    shell_log(shell, FANMAP_LOG_ERROR, "%s: every attempt was killed and is charged, a new guardian starts", why);
}

static void on_trouble(void *arg, const char *line)
{
    say_trouble(arg, FANMAP_LOG_ERROR, line);
}

static void on_failed(void *arg, const fanmap_error_t *err)
{
    shell_fail(arg, err);
}

static void on_note(void *arg, uint32_t slot, const char *line)
{
    char text[TROUBLE_BYTES];
    snprintf(text, sizeof text, "slot %u: %s", slot, line);
    say_trouble(arg, FANMAP_LOG_WARNING, text);
}

int shell_open_slots(worker_shell_t *shell, fanmap_error_t *err)
{
    static const slots_callbacks_t callbacks = {on_up,   on_done,    on_down,   on_guardian_lost,
                                                on_note, on_trouble, on_failed, on_back};
    slots_config_t config = {.slots_n = shell->config.slots_n,
                             .tasks = shell->config.catalogue->tasks,
                             .tasks_n = shell->config.catalogue->n,
                             .task_user = shell->config.catalogue->task_user,
                             .new_privileges = shell->config.catalogue->new_privileges,
                             .log_fd = shell->config.task_log_fd,
                             .session_ms = shell->config.session_ms,
                             .start_timeout_ms = shell->config.start_timeout_ms,
                             .value_bytes_max = shell->config.value_bytes_max};
    shell->start_troubles = calloc(config.tasks_n, sizeof *shell->start_troubles);
    if (!shell->start_troubles)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    return slots_open(shell->loop, &config, &callbacks, shell, &shell->slots, err);
}
