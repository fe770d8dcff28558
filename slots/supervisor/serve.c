/* Serving programs.
 *
 * Happy path: a run was claimed for the current program; it is written to it, its answer comes, the answer is checked
 * and becomes the result, and the next run is claimed. Three system calls an item on this side: write, ppoll, read.
 *
 * What can fail. The program does not start, says no hello, or takes too long: the slot is unusable, at nobody's
 * charge. It breaks the protocol while an item runs: the slot ends, and when nothing of it is alive any more the item
 * is told to have failed as `protocol`. It dies while an item runs: the slot ends, and the worker charges the item as
 * it does for a task host. It dies or talks between items: the slot ends and no item is charged; but while something
 * else runs in the slot, only the program is ended. It closes the protocol without ending: it has a second to end. It
 * answers nothing: that is what timeouts are for; the guardian's KILL comes here as supervisor_end. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "slots/supervisor/supervisor.h"

enum { START_MS = 60000 };

/* ---- what it says ---- */

static void on_hello(supervisor_t *s, program_t *p, const served_message_t *message)
{
    char what[120];
    if (message->version != SERVED_VERSION) {
        snprintf(what, sizeof what, "speaks version %u of the slot protocol; this worker speaks %d", message->version,
                 SERVED_VERSION);
        serve_unusable(s, p, what);
        return;
    }
    buf_append(&p->tasks, message->tasks, message->tasks_len);
    p->ahead = p->undo_fd >= 0 ? message->ahead : 0;
    buf_append(&p->calls, message->calls, message->calls_len);
    p->state = PROGRAM_GREETED;
}

static void on_done(supervisor_t *s, program_t *p, const served_message_t *message)
{
    char why[120];
    bool is_expected = p->state == PROGRAM_READY && (serve_runs(s, p) || s->is_ending);
    /* It had begun this run when the board was closed between two, so the run did not go on here: the end is on its way. */
    if (p->state == PROGRAM_READY && !is_expected && p == s->serve.current && s->serve.queued_n > 0)
        return;
    if (!is_expected) {
        serve_protocol_error(s, p, "it answered without a run");
    } else if (message->n != s->command.n) {
        snprintf(why, sizeof why, "it answered run %u while run %u went on", message->n, s->command.n);
        serve_protocol_error(s, p, why);
    } else if (s->is_ending) {
        s->kill_at_ms = 0; /* it is through; nothing has to be waited for */
    } else if (p->in.len > p->in_used && s->serve.queued_n == 0) {
        serve_protocol_error(s, p, "it said more after its answer");
    } else if (message->is_whole && s->serve.is_call) {
        serve_fail_call(s, message);
    } else {
        serve_result(s, message);
        serve_go_on(s, proc_now_ns());
    }
}

static void handle_message(supervisor_t *s, program_t *p, const served_message_t *message)
{
    if (message->type == SLOT_DONE)
        on_done(s, p, message);
    else if (message->type == SLOT_HELLO && p->state == PROGRAM_STARTING)
        on_hello(s, p, message);
    else if (message->type == SLOT_READY && p->state == PROGRAM_GREETED)
        p->state = PROGRAM_READY;
    else
        serve_protocol_error(s, p,
                             message->type == SLOT_HELLO ? "it said hello twice" : "it said ready at the wrong time");
}

void serve_handle_messages(supervisor_t *s, program_t *p)
{
    served_message_t message;
    int got = 0;
    for (;;) {
        bool is_new = p->state == PROGRAM_STARTING;
        size_t frame_max = is_new ? SERVED_HELLO_MAX : served_frame_max(p->reader.encoding, s->command.value_bytes_max);
        got = p->state == PROGRAM_OFF ? 0 : program_next(p, frame_max, &message);
        if (got <= 0)
            break;
        if (is_new && !p->stdout_is_log && p->out_fd >= 0)
            program_choose_protocol(p, false);
        handle_message(s, p, &message);
        if (p->state != PROGRAM_OFF)
            program_drop(p);
    }
    if (got < 0)
        serve_protocol_error(s, p, p->reader.why);
}

void serve_read(supervisor_t *s, program_t *p)
{
    int got = program_fill(p);
    serve_handle_messages(s, p);
    if (got == 0 && p->state != PROGRAM_OFF && p->closed_at_ms == 0)
        p->closed_at_ms = proc_now_ms();
}

/* ---- runs ---- */

static void apply_limits(supervisor_t *s, const program_t *p)
{
    if (p->pid > 0 && !limiter_put(&s->serve.limiter, p->pid) && kill(p->pid, 0) == 0)
        supervisor_give_up(s, "the limits of a task cannot be put on its program");
}

void serve_set_job(supervisor_t *s, const slot_job_t *job)
{
    serve_t *v = &s->serve;
    v->current = s->command.task && s->command.task->engine == TASK_SERVE ? serve_find(v, s->command.task) : NULL;
    v->job_serial++;
    v->job_id = job->id;
    v->attempts_max = job->attempts_max;
    v->parts = job->parts;
    if (v->current && v->limiter.was_used)
        apply_limits(s, v->current);
}

static void start_program(supervisor_t *s, program_t *p)
{
    char what[220], why[180];
    int64_t bound_ms = s->plan.start_timeout_ms ? s->plan.start_timeout_ms : START_MS;
    int error = s->command.path ? program_start(p, s->slot, s->command.path, bound_ms, s->command.log.fd) : ENOENT;
    s->has_children = true;
    if (!error && s->serve.limiter.was_used)
        apply_limits(s, p);
    if (!error)
        return;
    spawn_reason(p->terms, &p->ordinary->user, error, why, sizeof why);
    atomic_store(&s->board->is_short, command_is_short(s, error));
    snprintf(what, sizeof what, "cannot be started: %s", why);
    serve_unusable(s, p, what);
}

bool serve_is_ready(supervisor_t *s)
{
    program_t *p = s->serve.current;
    if (p->state == PROGRAM_OFF)
        start_program(s, p);
    s->serve.holds_for_program = p->state != PROGRAM_READY || p->closed_at_ms > 0;
    return !s->serve.holds_for_program;
}

static bool put_job(supervisor_t *s, program_t *p)
{
    const command_t *c = &s->command;
    if (p->job_serial == s->serve.job_serial)
        return true;
    slot_job_t job = {.id = s->serve.job_id,
                      .job = c->job,
                      .job_len = strlen(c->job),
                      .task = c->task->name,
                      .task_len = strlen(c->task->name),
                      .attempts_max = s->serve.attempts_max,
                      .value_bytes_max = (uint32_t)c->value_bytes_max,
                      .bound = c->bound.data,
                      .bound_len = c->bound.len,
                      .parts = s->serve.parts};
    if (!served_put_job(&p->out, p->reader.encoding, &job))
        return false;
    p->job_serial = s->serve.job_serial;
    return true;
}

void serve_run(supervisor_t *s, const slot_run_t *run)
{
    program_t *p = s->serve.current;
    char message[200];
    serve_begin_call(s);
    if (!served_has_task(p->tasks.data, p->tasks.len, s->command.task->name)) {
        snprintf(message, sizeof message, "'%.60s' serves no task %.63s: its hello does not name it", p->argv[0],
                 s->command.task->name);
        result_refuse(s, FANMAP_UNKNOWN_TASK, 0, message);
    } else if (!put_job(s, p)) {
        result_refuse(s, FANMAP_BAD_INPUT, 0, "the bound arguments cannot be written as JSON for this task");
    } else if (!serve_put_run(s, p, run)) {
        result_refuse(s, FANMAP_BAD_INPUT, 0, "the item cannot be written as JSON for this task");
    } else {
        s->command.state = COMMAND_SERVED;
    }
}

void serve_flush(supervisor_t *s)
{
    program_t *p = s->serve.current;
    char permits[AHEAD_MAX + 1];
    if (!p || s->command.state != COMMAND_SERVED || p->out.len == 0 || s->serve.call_left > 0)
        return;
    served_batch_end(&p->batch, &p->out, p->reader.encoding, s->serve.is_call);
    p->written_bytes = p->out.len;
    program_flush(p);
    memset(permits, SERVED_GO, p->owed_go);
    if (p->owed_go > 0)
        (void)!write(p->go_fd, permits, p->owed_go);
    p->owed_go = 0;
}
