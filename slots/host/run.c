/* One claimed run after the other: the item is put into the task's shape, the function is called, and what it returned
 * becomes a `done` frame. Output of an attempt that nobody has read yet is told apart from the next one's by a marker
 * (slots/shared/marker.h). */
#include <inttypes.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/text.h"
#include "slots/host/host.h"
#include "slots/shared/clean_text.h"
#include "slots/shared/marker.h"
#include "slots/shared/proc.h"

/* A run shorter than this has made no system call, so it has written nothing. A write to a pipe takes twice as long. */
enum { WRITES_TAKE_NS = 150 };

static hosted_t *find_hosted(host_t *h, const char *name, size_t len)
{
    for (size_t i = 0; i < h->tasks_n; i++)
        if (text_is(name, len, h->tasks[i].plan->name))
            return &h->tasks[i];
    return NULL;
}

void run_give_up(host_t *h, const char *what)
{
    snprintf(h->board->unusable, sizeof h->board->unusable, "%.400s", what);
    outlet_ring(&h->outlet);
    _exit(1);
}

static void open_task(host_t *h, hosted_t *t)
{
    char what[256];
    if (t->is_open)
        return;
    if (t->task->open && t->task->open(&t->state) != 0) {
        snprintf(what, sizeof what, "the open function of task %.63s failed", t->plan->name);
        run_give_up(h, what);
    }
    t->is_open = true;
}

void run_set_job(host_t *h, const slot_job_t *job)
{
    size_t len = job->job_len < JOB_ID_MAX ? job->job_len : JOB_ID_MAX;
    memcpy(h->job, job->job, len);
    h->job[len] = '\0';
    snprintf(h->traceparent, sizeof h->traceparent, "%.*s", (int)job->traceparent_len,
             job->traceparent_len ? job->traceparent : "");
    h->trace_salt = job->trace_salt;
    if (!h->traceparent[0])
        unsetenv("TRACEPARENT");
    memcpy(h->board->job, h->job, sizeof h->job);
    h->current = find_hosted(h, job->task, job->task_len);
    h->attempts_max = job->attempts_max;
    h->value_bytes_max = job->value_bytes_max;
    buf_clear(&h->bound_raw);
    buf_append(&h->bound_raw, job->bound, job->bound_len);
    if (!h->current)
        return;
    open_task(h, h->current);
    buf_clear(&h->bound);
    uint32_t shape = h->current->shape;
    if (shape == FANMAP_TASK_MSGPACK || job->bound_len == 0)
        buf_append(&h->bound, job->bound, job->bound_len);
    else if (!attempt_to_shape(&h->bound, shape, job->bound, job->bound_len))
        buf_clear(&h->bound);
}

static void put_done(host_t *h, slot_done_t *done, const char *message)
{
    buf_t clean = {0}, type = {0};
    done->message = message;
    done->message_len = strlen(message);
    clean_text(&clean, message, done->message_len);
    clean_text(&type, done->type ? done->type : "", done->type ? strlen(done->type) : 0);
    done->message = clean.data ? (const char *)clean.data : "";
    done->message_len = clean.len;
    done->type = type.data ? (const char *)type.data : "";
    done->type_len = type.len;
    done->stderr_tail = "";
    slot_put_done(&h->frame, done);
    buf_free(&clean);
    buf_free(&type);
}

static void put_refusal(host_t *h, slot_done_t *done, fanmap_kind_t kind, const char *message)
{
    done->kind = kind;
    put_done(h, done, message);
}

void run_put_exception(host_t *h, const attempt_t *a, slot_done_t *done, int result)
{
    char message[80];
    snprintf(message, sizeof message, "the task returned %d", result);
    done->kind = FANMAP_EXCEPTION;
    done->final = a->is_final;
    done->type = a->has_failed ? a->type : "";
    put_done(h, done, a->has_failed ? a->message : message);
}

void run_put_unshaped(host_t *h, slot_done_t *done)
{
    put_refusal(h, done, FANMAP_BAD_INPUT, "the item cannot be written as JSON for this task");
}

static void put_value(host_t *h, const attempt_t *a, slot_done_t *done)
{
    char why[300];
    buf_clear(&h->value);
    if (!attempt_from_shape(&h->value, a->shape, &a->out, why, sizeof why)) {
        put_refusal(h, done, FANMAP_PROTOCOL, why);
        return;
    }
    const buf_t *value = a->shape == FANMAP_TASK_MSGPACK ? &a->out : &h->value;
    done->kind = FANMAP_VALUE;
    done->value = value->data;
    done->value_len = value->len;
    slot_put_done(&h->frame, done);
}

void run_put_outcome(host_t *h, const attempt_t *a, slot_done_t *done, int result)
{
    char message[96];
    if (a->too_large) {
        snprintf(message, sizeof message, "the value is over the limit of %zu bytes", a->value_bytes_max);
        put_refusal(h, done, FANMAP_TOO_LARGE, message);
    } else if (result != 0 || (h->current->takes_calls && a->has_failed)) {
        run_put_exception(h, a, done, result);
    } else if (a->out.failed) {
        put_refusal(h, done, FANMAP_MEMORY, "no memory for the value");
    } else {
        put_value(h, a, done);
    }
    if (h->frame.failed || h->value.failed) {
        buf_clear(&h->frame);
        put_refusal(h, done, FANMAP_MEMORY, "no memory for the value");
    }
}

static void format_label(const host_t *h, const slot_run_t *run, char *ret, size_t cap)
{
    snprintf(ret, cap, "%s/%" PRIu64 "/%" PRIu32, h->job, run->index, run->attempt);
}

/* What the attempt has written must be labelled as its own even if the next one begins before anybody has read it. */
static void note_output(host_t *h, const slot_run_t *run, int64_t took_ns)
{
    int unread = 0;
    bool has_text = __fpending(stdout) > 0;
    if (has_text)
        fflush(stdout);
    if (!has_text && took_ns < WRITES_TAKE_NS)
        return;
    if (ioctl(h->output_fd, FIONREAD, &unread) != 0 || unread == 0)
        return;
    run_owe_marker(h, run);
}

static void write_marker(const host_t *h, const char *begins)
{
    char text[MARKER_MAX + 40];
    int n = snprintf(text, sizeof text, "%s%s%c%s\n", MARKER_BEGIN, h->ended_label, MARKER_MIDDLE, begins);
    (void)!write(h->output_fd, text, (size_t)n);
}

bool run_put_marker(host_t *h, const slot_run_t *run)
{
    char begins[160];
    if (!h->owes_marker)
        return false;
    h->owes_marker = false;
    format_label(h, run, begins, sizeof begins);
    write_marker(h, begins);
    return true;
}

void run_owe_marker(host_t *h, const slot_run_t *run)
{
    h->owes_marker = true;
    format_label(h, run, h->ended_label, sizeof h->ended_label);
}

/* What ended begins again. */
void run_wake_supervisor(const host_t *h)
{
    write_marker(h, h->ended_label);
}

static bool shape_item(attempt_t *a, const slot_run_t *run)
{
    fanmap_attempt_t *api = &a->api;
    if (a->shape == FANMAP_TASK_MSGPACK) {
        api->in = run->in;
        api->in_len = run->in_len;
        return true;
    }
    buf_clear(&a->in);
    if (!attempt_to_shape(&a->in, a->shape, run->in, run->in_len))
        return false;
    api->in_len = a->in.len;
    buf_append(&a->in, "", 1); /* text for those who like a NUL behind it */
    api->in = a->in.data;
    return !a->in.failed;
}

static const char *own_trace(const host_t *h, attempt_t *a, const slot_run_t *run)
{
    if (!h->traceparent[0])
        return NULL;
    trace_child(a->traceparent, h->traceparent, trace_span(h->trace_salt, run->index, run->attempt, run->n));
    return a->traceparent;
}

bool run_prepare(host_t *h, attempt_t *a, const slot_run_t *run)
{
    a->run = run;
    a->shape = h->current->shape;
    a->value_bytes_max = h->value_bytes_max;
    a->text = &h->value;
    a->too_large = a->has_failed = a->is_final = false;
    buf_clear(&a->out);
    a->api.job = h->job;
    a->api.task = h->current->plan->name;
    a->api.index = run->index;
    a->api.fence = run->fence;
    a->api.attempt = run->attempt;
    a->api.attempts_max = h->attempts_max;
    a->api.slot = h->slot;
    a->api.deadline_ms = run->deadline_ms;
    a->api.bound = h->bound.data;
    a->api.bound_len = h->bound.len;
    a->api.state = h->current->state;
    a->api.record = run->context_len > 0 ? record_of_run(&a->record, run) : NULL;
    a->api.next = NULL;
    a->api.traceparent = own_trace(h, a, run);
    return shape_item(a, run);
}

int run_task(host_t *h, attempt_t *a, uint64_t *ret_us)
{
    if (a->api.traceparent) /* the functions of tasks run in this process, one at a time */
        (void)setenv("TRACEPARENT", a->api.traceparent, 1);
    int64_t began_ns =
        proc_now_ns(); /* not the end of the run before: what lies between would pass for a system call */
    int result = h->current->task->run(&a->api);
    h->now_ns = proc_now_ns();
    *ret_us = (uint64_t)(h->now_ns - began_ns) / 1000;
    note_output(h, a->run, h->now_ns - began_ns);
    return result;
}

bool run_attempt(host_t *h, const slot_run_t *run)
{
    attempt_t *a = &h->attempt;
    slot_done_t done = {.n = run->n};
    buf_clear(&h->frame);
    if (!h->current) {
        put_refusal(h, &done, FANMAP_UNKNOWN_TASK, "this worker has no such task");
        return false;
    }
    if (!run_prepare(h, a, run)) {
        run_put_unshaped(h, &done);
        return false;
    }
    int result = run_task(h, a, &done.run_us);
    run_put_outcome(h, a, &done, result);
    return done.kind == FANMAP_VALUE;
}
