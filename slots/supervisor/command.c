/* One command after the other.
 *
 * Happy path: a run is read, claimed and its process started; the loop in main.c reaps it and hands over what it
 * printed; as soon as no child is left its result goes into the ring, the next run starts, and only then the bell is
 * rung.
 *
 * What can fail. The item cannot be put into the arguments, or the program cannot be started: a result at once. The
 * command leaves processes behind: they are killed before its result counts, for an attempt ends when everything it
 * started has ended; its pipes are replaced. It prints too much: it is killed and the result is too_large. The slot is
 * ended meanwhile (timeout, kill): the board is closed, board_finish says so, and the result is dropped.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "slots/supervisor/supervisor.h"

enum { KEEP_BYTES = 1 << 20, LAPSE_WAIT_MS = 10, SWEEP_WAIT_MS = 1, CHEAP_SWEEPS = 8 };

void command_open(supervisor_t *s)
{
    command_t *c = &s->command;
    c->inlet.fd = COMMANDS_FD;
    c->outlet = (outlet_t){.board = s->board, .bell_fd = COMMANDS_FD};
    c->null_fd = c->stdin_fd = c->stdin_write_fd = c->out_fd = c->err_fd = -1;
}

static void set_job(supervisor_t *s, const slot_job_t *job)
{
    command_t *c = &s->command;
    size_t len = job->job_len < JOB_ID_MAX ? job->job_len : JOB_ID_MAX;
    memcpy(c->job, job->job, len);
    c->job[len] = '\0';
    snprintf(c->traceparent, sizeof c->traceparent, "%.*s", (int)job->traceparent_len,
             job->traceparent_len ? job->traceparent : "");
    c->trace_salt = job->trace_salt;
    const slots_task_t *task = plan_find(&s->plan, job->task, job->task_len);
    task = task && task->engine != TASK_SO ? task : NULL;
    if (task != c->task) {
        free(c->path);
        c->path = task ? command_find_program(task->argv[0], &s->plan.ordinary.user) : NULL;
        c->task = task;
        if (c->is_ready && command_make_task_env(c) != 0)
            supervisor_give_up(s, "no memory for a task's environment");
    }
    char why[160];
    limiter_t *limiter = task && task->engine == TASK_SERVE ? &s->serve.limiter : &c->limiter;
    if (task && !limiter_set(limiter, &s->board->limits, why, sizeof why))
        supervisor_give_up(s, why);
    c->value_bytes_max = job->value_bytes_max;
    buf_clear(&c->bound);
    buf_append(&c->bound, job->bound, job->bound_len);
    serve_set_job(s, job);
}

/* That is the worker's trouble: the run was never started, and the slot is away for a while. */
static void give_back(supervisor_t *s, const char *message)
{
    atomic_store(&s->board->is_short, 1);
    if (board_unclaim(s->board))
        supervisor_give_up(s, message);
}

static void refuse_spawn(supervisor_t *s, int error)
{
    command_t *c = &s->command;
    char message[300], why[180];
    spawn_reason(&c->task->terms, &s->plan.ordinary.user, error, why, sizeof why);
    snprintf(message, sizeof message, "cannot start '%.100s': %s", c->task->argv[0], why);
    if (command_is_short(s, error))
        give_back(s, message);
    else if (error == E2BIG)
        result_refuse(s, FANMAP_BAD_INPUT, 0, "the item makes the command line too long");
    else if (error == EILSEQ)
        result_refuse(s, FANMAP_BAD_INPUT, 0, "the item cannot be written as JSON for the command's stdin");
    else
        result_refuse(s, FANMAP_EXIT, error == ENOENT ? 127 : 126, message);
}

static void start_run(supervisor_t *s, const slot_run_t *run)
{
    command_t *c = &s->command;
    if (!c->task) {
        result_refuse(s, FANMAP_UNKNOWN_TASK, 0, "this worker has no such command");
        return;
    }
    if (c->task->engine == TASK_SERVE) {
        serve_run(s, run);
        return;
    }
    bool is_contained = c->task->terms.own_from > 0;
    args_values_t values = {.item = run->in,
                            .item_len = run->in_len,
                            .bound = c->bound.data,
                            .bound_len = c->bound.len,
                            .index = run->index,
                            .container = is_contained ? c->container : NULL,
                            .slot = s->slot,
                            .terms = &c->task->terms};
    if (is_contained)
        container_name(c->container, sizeof c->container, getppid(), s->slot, s->generation, run->n);
    if (!args_expand(&c->args, c->task->argv, &values)) {
        result_refuse(s, FANMAP_BAD_INPUT, 0, c->args.why);
        return;
    }
    if (c->task->terms.kill_argv) {
        atomic_store(&s->board->container_n, run->n);
        atomic_store(&s->board->container_task, (uint32_t)(c->task - s->plan.tasks) + 1);
    }
    int error = c->path ? command_prepare(c, s->slot) : ENOENT;
    if (!error)
        error = command_spawn(c, &s->plan.ordinary, run, !c->args.takes_item);
    if (error) {
        atomic_store(&s->board->container_task, 0);
        refuse_spawn(s, error);
        return;
    }
    c->state = COMMAND_RUNNING;
    s->has_children = true;
}

/* Returns false if nothing may start here any more. */
static bool claim_run(supervisor_t *s, const slot_run_t *run)
{
    command_t *c = &s->command;
    int64_t now_ns = proc_now_ns(), now_ms = now_ns / 1000000;
    c->holds_for_lapse = now_ms >= atomic_load(&s->board->lapse_at_ms);
    if (c->holds_for_lapse || (s->serve.current && !serve_is_ready(s))) {
        inlet_unread(&c->inlet);
        return true;
    }
    board_claim_t got = board_claim(s->board, run->n, run->index, run->attempt, now_ms);
    if (got != BOARD_CLAIMED) {
        s->serve.call_left -= s->serve.call_left > 0;
        return got == BOARD_TAKEN_BACK;
    }
    copy_begin(&c->copy, run->index, run->attempt);
    serve_begin(s, run->n, run->index, run->attempt, now_ns);
    start_run(s, run);
    return true;
}

bool command_wants_runs(const supervisor_t *s)
{
    const command_t *c = &s->command;
    if (s->is_ending || c->holds_for_lapse || s->serve.holds_for_program)
        return false;
    return c->state == COMMAND_IDLE || serve_has_room_ahead(s);
}

static bool handle_frame(supervisor_t *s, const slot_frame_t *frame)
{
    if (frame->type == SLOT_JOB)
        set_job(s, &frame->job);
    else if (frame->type == SLOT_CALL)
        s->serve.call_left = frame->call_n;
    else if (frame->type == SLOT_BYE)
        supervisor_leave(s);
    return frame->type != SLOT_RUN || claim_run(s, &frame->run);
}

static bool start_next(supervisor_t *s)
{
    command_t *c = &s->command;
    slot_frame_t frame;
    c->holds_for_lapse = s->serve.holds_for_program = false;
    while (command_wants_runs(s) && outlet_pump(&c->outlet)) {
        int got = inlet_next(&c->inlet, &frame);
        if (got < 0)
            return false;
        if (got == 0 && (got = inlet_fill(&c->inlet, false)) == 0)
            return false; /* the end: the worker let go of the slot */
        if (got < 0)
            break;
        if (c->inlet.last == 0)
            continue;
        if (c->state == COMMAND_SERVED && !(frame.type == SLOT_RUN && serve_ahead(s, &frame.run))) {
            inlet_unread(&c->inlet);
            break;
        }
        if (c->state == COMMAND_IDLE && !handle_frame(s, &frame))
            return false;
    }
    serve_flush(s);
    return true;
}

/* What is left is mostly a child or two that are dying anyway (the first process of a container), and what these leave
 * becomes a child in turn. Only what lasts is looked for everywhere. */
static void sweep(supervisor_t *s)
{
    pid_t except[RESIDENTS_MAX];
    size_t except_n = supervisor_residents(s, except, RESIDENTS_MAX);
    if (s->command.sweeps >= CHEAP_SWEEPS || proc_signal_children(s->self, except, except_n, SIGKILL) < 0)
        command_kill_left(s);
}

/* Its client was killed: the container may be alive. (Where it left by itself, so did the container.) */
static void end_container(supervisor_t *s)
{
    if (atomic_load(&s->board->container_task) == 0)
        return;
    if (WIFSIGNALED(s->command.status))
        container_kill(s->command.task, s->command.container, &s->plan.ordinary);
    atomic_store(&s->board->container_task, 0);
}

static void finish(supervisor_t *s)
{
    command_t *c = &s->command;
    bool left_some = c->state == COMMAND_SWEEPING;
    command_drain(s, COMMAND_DRAIN_ALL);
    int64_t now_ns = proc_now_ns();
    log_end_attempt(&c->log);
    end_container(s);
    c->saw_oom = limiter_saw_oom(&c->limiter);
    result_of_exit(c, s->board, now_ns);
    c->state = COMMAND_IDLE;
    c->pid = 0;
    buf_clear(&c->out);
    if (c->out.cap > KEEP_BYTES)
        buf_free(&c->out);
    if (left_some)
        command_renew_pipes(c);
    result_send(s, now_ns);
}

bool command_step(supervisor_t *s)
{
    command_t *c = &s->command;
    bool has_exited = (c->state == COMMAND_RUNNING || c->state == COMMAND_SWEEPING) && c->pid < 0;
    if (has_exited && s->has_children && !s->is_ending) {
        c->sweeps = c->state == COMMAND_SWEEPING ? c->sweeps + 1 : 0;
        c->state = COMMAND_SWEEPING;
        sweep(s);
    }
    if (has_exited && !s->has_children && command_is_copied(s))
        finish(s);
    if (s->is_ending)
        return true;
    bool ok = start_next(s);
    if (c->state == COMMAND_IDLE)
        outlet_ring(&c->outlet);
    else
        outlet_ring_if_due(&c->outlet, proc_now_ns());
    return ok;
}

bool command_fill(supervisor_t *s)
{
    return inlet_fill(&s->command.inlet, false) != 0;
}

bool command_sees_bye(supervisor_t *s)
{
    command_t *c = &s->command;
    slot_frame_t frame;
    if (c->state != COMMAND_IDLE || inlet_fill(&c->inlet, false) <= 0 || inlet_next(&c->inlet, &frame) <= 0)
        return false;
    inlet_unread(&c->inlet);
    return frame.type == SLOT_BYE;
}

void command_exited(supervisor_t *s, int status)
{
    s->command.status = s->status = status;
    s->command.pid = -1;
}

int command_wait_ms(const supervisor_t *s)
{
    const command_t *c = &s->command;
    if (c->state == COMMAND_SWEEPING || c->outlet.rest.len > 0 || c->outlet.unrung > 0)
        return SWEEP_WAIT_MS;
    return c->holds_for_lapse ? LAPSE_WAIT_MS : -1;
}
