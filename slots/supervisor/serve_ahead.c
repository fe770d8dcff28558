/* Runs that a served program is told of ahead, so that it has the next one at hand when it has answered one.
 *
 * Happy path: the run that goes on is claimed as ever. Those that wait behind it are claimed too and told in the same
 * message, and for each a permit, one byte, lies in a pipe. The program takes a permit before it begins a run, and answers
 * each run before it begins the next. So what runs is the oldest run without an answer; each has its own time limit from
 * the answer before it on; and when the program dies, that run is the one that is charged.
 *
 * What can fail. The run that goes on lasts: after five milliseconds (`lasts_ms` of the plan) the permits that are left are
 * read back out of the pipe, which only one of the two can do, and in the place of each lies the word that this run was
 * undone, upon which the program passes over it. What was got back is given back to the worker. The slot has to end:
 * likewise, so that nothing begins any more. Runs that are one call need no permits: they begin together, and nothing is
 * told behind them. The program prints: it is told one run at a time for a while, for what it prints is labelled by the
 * run that goes on. It dies: a permit of the oldest run that is still there says that this one never began. A job that
 * may end on one error, or whose attempts have a limit of processor time, is served one run at a time. */
#include <stdio.h>
#include <unistd.h>

#include "slots/supervisor/supervisor.h"

enum { LAPSE_SPARE_MS = 20, PERMITS_MAX = 2 * AHEAD_MAX };

/* A task that takes one at a time gets the runs of a call one by one. */
void serve_begin_call(supervisor_t *s)
{
    serve_t *v = &s->serve;
    const buf_t *calls = &v->current->calls;
    v->is_call = v->call_left > 0 && v->call_left <= AHEAD_MAX &&
                 served_has_task(calls->data, calls->len, s->command.task->name);
    v->call_left = v->is_call ? v->call_left - 1 : 0;
}

void serve_fail_call(supervisor_t *s, const served_message_t *answer)
{
    do {
        serve_result(s, answer);
        serve_go_on(s, proc_now_ns());
    } while (s->command.state == COMMAND_SERVED);
}

static queued_run_t *queued_at(serve_t *v, size_t i)
{
    return &v->queued[(v->queued_first + i) % AHEAD_MAX];
}

static int64_t lasted_ms(const supervisor_t *s)
{
    return proc_now_ms() - s->command.started_ns / 1000000;
}

void serve_begin(supervisor_t *s, uint32_t n, uint64_t index, uint32_t attempt, int64_t now_ns)
{
    command_t *c = &s->command;
    c->n = n;
    c->started_ns = now_ns;
    c->too_large = false;
    atomic_store(&s->board->tail_len, 0);
    snprintf(c->label, sizeof c->label, "%s/%llu/%u", c->job, (unsigned long long)index, attempt);
}

bool serve_has_room_ahead(const supervisor_t *s)
{
    const serve_t *v = &s->serve;
    const program_t *p = v->current;
    if (v->is_call)
        return s->command.state == COMMAND_SERVED && !s->is_ending && v->call_left > 0;
    if (s->command.state != COMMAND_SERVED || s->is_ending || !p || v->queued_n + 1 >= p->ahead ||
        v->queued_n == AHEAD_MAX)
        return false;
    if (p->answered < p->ahead_from || p->closed_at_ms > 0 || s->board->limits.cpu_time_ms > 0)
        return false;
    int64_t lapse_at_ms = atomic_load(&s->board->lapse_at_ms);
    return atomic_load(&s->board->holds_on_error) == 0 && lasted_ms(s) < s->plan.lasts_ms &&
           (lapse_at_ms == INT64_MAX || proc_now_ms() + LAPSE_SPARE_MS < lapse_at_ms);
}

/* With a span of its own, where whoever submitted has one. */
static void put_trace(const supervisor_t *s, slot_run_t *run, char text[TRACE_MAX + 1])
{
    const command_t *c = &s->command;
    if (!c->traceparent[0])
        return;
    trace_child(text, c->traceparent, trace_span(c->trace_salt, run->index, run->attempt, run->n));
    run->traceparent = text;
    run->traceparent_len = TRACE_MAX;
}

bool serve_put_run(const supervisor_t *s, program_t *p, const slot_run_t *given)
{
    char trace[TRACE_MAX + 1];
    slot_run_t copy = *given, *run = &copy;
    put_trace(s, run, trace);
    if (p->ahead == 0 && !s->serve.is_call)
        return served_put_run(&p->out, p->reader.encoding, run, s->serve.job_id);
    bool ok = served_batch_add(&p->batch, &p->out, p->reader.encoding, run);
    p->owed_go += ok && !s->serve.is_call;
    return ok;
}

bool serve_ahead(supervisor_t *s, const slot_run_t *run)
{
    serve_t *v = &s->serve;
    program_t *p = v->current;
    size_t start = p->out.len;
    served_batch_t before = p->batch;
    char trace[TRACE_MAX + 1];
    slot_run_t traced = *run;
    put_trace(s, &traced, trace);
    if (!served_batch_add(&p->batch, &p->out, p->reader.encoding, &traced)) {
        v->call_left = 0;
        return false; /* refused when its turn has come */
    }
    v->call_left -= v->is_call;
    if (board_claim_ahead(s->board, run->n) != BOARD_CLAIMED) {
        p->out.len = start;
        p->batch = before;
        return true;
    }
    *queued_at(v, v->queued_n++) = (queued_run_t){.n = run->n, .attempt = run->attempt, .index = run->index};
    p->owed_go += !v->is_call;
    return true;
}

void serve_go_on(supervisor_t *s, int64_t now_ns)
{
    serve_t *v = &s->serve;
    if (v->queued_n == 0)
        return;
    queued_run_t next = *queued_at(v, 0);
    if (!board_go_on(s->board, next.n, next.index, next.attempt, now_ns / 1000000)) {
        serve_withdraw(s, v->current);
        return;
    }
    v->queued_first = (v->queued_first + 1) % AHEAD_MAX;
    v->queued_n--;
    serve_begin(s, next.n, next.index, next.attempt, now_ns);
    s->command.state = COMMAND_SERVED;
}

/* Takes the permits that are left out of the pipe. Returns how many bytes there were. */
static size_t read_permits(const program_t *p, char bytes[PERMITS_MAX], size_t *ret_permits)
{
    ssize_t n = p->undo_fd >= 0 ? read(p->undo_fd, bytes, PERMITS_MAX) : 0;
    *ret_permits = 0;
    for (ssize_t i = 0; i < n; i++)
        *ret_permits += bytes[i] == SERVED_GO;
    return n > 0 ? (size_t)n : 0;
}

static void give_back(supervisor_t *s, uint32_t n)
{
    uint32_t to;
    buf_t frame = {0};
    if (!board_give_back(s->board, n, &to))
        return; /* the end of the slot says it */
    slot_put_back(&frame, n, to);
    outlet_put(&s->command.outlet, frame.data, frame.len, proc_now_ns());
    outlet_ring(&s->command.outlet);
    buf_free(&frame);
}

void serve_withdraw(supervisor_t *s, program_t *p)
{
    serve_t *v = &s->serve;
    char bytes[PERMITS_MAX];
    size_t permits, n = read_permits(p, bytes, &permits);
    size_t undone = permits < v->queued_n ? permits : v->queued_n, kept = permits - undone;
    if (n == 0)
        return;
    for (size_t i = 0; i < n; i++) {
        bool stays = bytes[i] == SERVED_GO && kept > 0; /* the run that goes on, and was not begun yet */
        kept -= stays;
        bytes[i] = stays ? SERVED_GO : SERVED_UNDONE;
    }
    (void)!write(p->go_fd, bytes, n);
    v->queued_n -= undone;
    if (undone > 0)
        give_back(s, queued_at(v, v->queued_n)->n);
}

int serve_check_ahead(supervisor_t *s)
{
    if (s->command.state != COMMAND_SERVED || s->serve.queued_n == 0 || s->serve.is_call || s->is_ending)
        return -1;
    int64_t left_ms = s->plan.lasts_ms - lasted_ms(s);
    if (left_ms > 0)
        return (int)left_ms;
    serve_withdraw(s, s->serve.current);
    return s->serve.queued_n == 0 ? -1 : (int)s->plan.lasts_ms;
}

bool serve_had_begun(const supervisor_t *s, const program_t *p)
{
    char bytes[PERMITS_MAX];
    size_t permits;
    read_permits(p, bytes, &permits);
    return permits <= s->serve.queued_n;
}
