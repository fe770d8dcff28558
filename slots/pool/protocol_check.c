/* The script of a check, in five lives of the program:
 *
 *   items     hello, ready, a job and its runs for every task, later fields and unknown messages, a stale cancel, bye
 *   cancel    a run, then at once its cancel and TERM
 *   hang up   no bye, the descriptor just ends
 *   bad       something that is no message, then the end
 *   ahead     of one that takes runs ahead: three, and it begins what it is permitted, when it is
 *
 * A wrong answer ends the life it came in; the others are tried all the same. */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "schemas/value.h"
#include "slots/pool/check.h"

enum {
    LEAVE_MS = 5000,
    QUIET_MS = 200,
    TASKS_MAX = 16,
    ROW_RUNS = 200,
    VALUE_MAX = 1 << 20,
    LONG_BYTES = 100000,
    FIRST_N = 4294967000u /* n has 32 bits, and may pass their end */
};

bool check_note(check_t *c, bool is_ok, const char *format, ...)
{
    char text[600];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    c->wrong += !is_ok;
    c->report(c->arg, is_ok, text);
    return is_ok;
}

/* What it did instead of what was wanted. False. */
static bool check_instead(check_t *c, const char *wanted, peer_event_t event)
{
    static const char *const types[] = {[SLOT_HELLO] = "hello", [SLOT_READY] = "ready", [SLOT_DONE] = "done"};
    if (event == PEER_MESSAGE)
        return check_note(c, false, "%s: it said %s instead", wanted, types[c->peer.message.type]);
    if (event == PEER_BAD)
        return check_note(c, false, "%s: what it said is no message: %s", wanted, c->peer.reader.why);
    return check_note(c, false, "%s: %s", wanted,
                      event == PEER_CLOSED ? "it closed the descriptor or ended" : "nothing came in time");
}

served_encoding_t check_encoding(const check_t *c)
{
    return c->peer.reader.encoding;
}

/* ---- the start ---- */

static bool greet(check_t *c, bool is_reported)
{
    const served_message_t *message = &c->peer.message;
    peer_event_t event = peer_receive(&c->peer, c->start_timeout_ms);
    if (event != PEER_MESSAGE || message->type != SLOT_HELLO)
        return check_instead(c, "hello is the first thing that it says", event);
    if (message->version != SERVED_VERSION)
        return check_note(c, false, "hello: version %u; this is version %d", message->version, SERVED_VERSION);
    mp_reader_t r;
    mp_reader_init(&r, message->tasks, message->tasks_len);
    if (mp_read_array(&r) == 0)
        return check_note(c, false, "hello: it names no task");
    mp_read_text(&r, c->task, sizeof c->task);
    c->ahead = message->ahead;
    if (is_reported)
        check_note(c, true, "hello: version %d, %s on %s", SERVED_VERSION,
                   check_encoding(c) == SERVED_JSON ? "JSON lines" : "msgpack frames",
                   c->peer.is_stdio ? "stdin and stdout" : "FANMAP_SLOT_FD");
    return true;
}

bool check_begin(check_t *c, bool is_reported, buf_t *tasks, fanmap_error_t *err, int *ret_code)
{
    *ret_code = peer_start(&c->peer, c->argv, c->log_fd, c->with_permits, err);
    if (*ret_code != FANMAP_OK || !greet(c, is_reported))
        return false;
    if (tasks)
        buf_append(tasks, c->peer.message.tasks, c->peer.message.tasks_len);
    peer_event_t event = peer_receive(&c->peer, c->start_timeout_ms);
    if (event != PEER_MESSAGE || c->peer.message.type != SLOT_READY)
        return check_instead(c, "ready follows hello", event);
    if (is_reported)
        check_note(c, true, "ready follows hello");
    c->was_ready = true;
    c->peer.frame_max = served_frame_max(check_encoding(c), VALUE_MAX);
    return true;
}

/* ---- runs ---- */

bool check_send_job(check_t *c, const char *task, const char *bound_json)
{
    buf_t b = {0}, bound = {0};
    char id[32];
    snprintf(id, sizeof id, "check-%u", ++c->job_id);
    slot_job_t job = {.id = c->job_id, .job = id, .job_len = strlen(id), .task = task, .task_len = strlen(task)};
    job.attempts_max = 3;
    job.value_bytes_max = VALUE_MAX;
    if (bound_json)
        value_from_json(&bound, bound_json, strlen(bound_json), NULL);
    job.bound = bound.data;
    job.bound_len = bound.len;
    bool ok = served_put_job(&b, check_encoding(c), &job) && peer_send(&c->peer, &b);
    buf_free(&b);
    buf_free(&bound);
    return ok;
}

static void put_run(check_t *c, buf_t *b, const buf_t *in, uint64_t index)
{
    slot_run_t run = {.n = c->n, .index = index, .attempt = 1, .deadline_ms = -1, .in = in->data, .in_len = in->len};
    if (index == UINT64_MAX)
        run.fence = UINT64_MAX;
    served_put_run(b, check_encoding(c), &run, c->job_id);
}

bool check_answer(check_t *c, const char *what, peer_event_t event)
{
    const served_message_t *message = &c->peer.message;
    if (event != PEER_MESSAGE || message->type != SLOT_DONE)
        return check_instead(c, what, event);
    if (message->n != c->n)
        return check_note(c, false, "%s: it answered run %u instead of run %u", what, message->n, c->n);
    if (c->peer.in.len > c->peer.in_used)
        return check_note(c, false, "%s: it said more after its answer", what);
    c->values += !message->is_error;
    c->errors += message->is_error;
    c->n++;
    return true;
}

static bool run_bytes(check_t *c, const char *what, const buf_t *in, uint64_t index)
{
    buf_t b = {0};
    put_run(c, &b, in, index);
    bool is_sent = peer_send(&c->peer, &b);
    buf_free(&b);
    if (!is_sent)
        return check_note(c, false, "%s: it does not read its runs", what);
    return check_answer(c, what, peer_receive(&c->peer, ANSWER_MS));
}

static bool run_json(check_t *c, const char *what, const char *json, uint64_t index)
{
    buf_t in = {0};
    value_from_json(&in, json, strlen(json), NULL);
    bool ok = run_bytes(c, what, &in, index);
    buf_free(&in);
    return ok;
}

static bool run_long(check_t *c, const char *what)
{
    buf_t in = {0};
    mp_put_str_head(&in, LONG_BYTES);
    void *room = buf_reserve(&in, LONG_BYTES);
    if (room)
        memset(room, 'x', LONG_BYTES);
    in.len += room ? LONG_BYTES : 0;
    bool ok = run_bytes(c, what, &in, 2);
    buf_free(&in);
    return ok;
}

static bool run_task(check_t *c, const char *task)
{
    static const char *const items[] = {"null",
                                        "true",
                                        "-1",
                                        "18446744073709551615",
                                        "1.5",
                                        "\"\"",
                                        "\"line\\nz\\u00fcrich \\u0000 \\ud83d\\ude00\"",
                                        "[1,[2,{\"a\":null}],\"x\"]",
                                        "{\"a\":1,\"b\":[]}",
                                        "{\"$binary\":\"AP8=\"}"};
    char what[160];
    c->values = c->errors = 0;
    if (!check_send_job(c, task, NULL))
        return check_note(c, false, "task %s: it does not read", task);
    for (size_t i = 0; i < sizeof items / sizeof *items; i++) {
        snprintf(what, sizeof what, "task %.63s: an answer to the item %.50s", task, items[i]);
        if (!run_json(c, what, items[i], i))
            return false;
    }
    snprintf(what, sizeof what, "task %.63s: an answer to an item of %d bytes", task, LONG_BYTES);
    if (!run_long(c, what))
        return false;
    snprintf(what, sizeof what, "task %.63s: an answer with bound arguments and the largest index and fence", task);
    if (!check_send_job(c, task, "{\"name\":\"x\"}") || !run_json(c, what, "1", UINT64_MAX))
        return false;
    return check_note(c, true, "task %s: %u values and %u errors, one answer a run", task, c->values, c->errors);
}

static bool run_tasks(check_t *c, const buf_t *tasks)
{
    mp_reader_t r;
    mp_reader_init(&r, tasks->data, tasks->len);
    uint32_t count = mp_read_array(&r);
    for (uint32_t i = 0; i < count && i < TASKS_MAX; i++) {
        char task[TASK_NAME_MAX + 1] = "";
        mp_read_text(&r, task, sizeof task);
        if (!run_task(c, task))
            return false;
    }
    return true;
}

static bool run_row(check_t *c)
{
    if (!check_send_job(c, c->task, NULL))
        return check_note(c, false, "it does not read");
    for (unsigned i = 0; i < ROW_RUNS; i++)
        if (!run_json(c, "many runs, one after the other, n beyond 32 bits' end", "7", i))
            return false;
    return check_note(c, true, "%d runs, one after the other, n beyond 32 bits' end", ROW_RUNS);
}

/* A worker of tomorrow: fields behind those that are known, and messages of other types. */
static bool run_later(check_t *c)
{
    static const uint8_t unknown[] = {3, 0, 0, 0, 0x92, 99, 0xc0};
    static const uint8_t text_one[] = {1};
    buf_t b = {0}, in = {0};
    buf_append(&in, text_one, sizeof text_one);
    if (check_encoding(c) == SERVED_JSON) {
        buf_append_text(&b, "{\"type\":\"later\",\"x\":1}\n");
        put_run(c, &b, &in, 3);
        b.len -= 2; /* "}\n" */
        buf_append_text(&b, ",\"later\":{\"x\":[]}}\n");
    } else {
        buf_append(&b, unknown, sizeof unknown);
        size_t start = b.len;
        put_run(c, &b, &in, 3);
        mp_put_nil(&b); /* the context of a record: it has none */
        mp_put_text(&b, "later");
        b.data[start] = (uint8_t)(b.data[start] + 7);
        b.data[start + 4] = (uint8_t)(b.data[start + 4] + 2);
    }
    bool is_sent = peer_send(&c->peer, &b);
    buf_free(&b);
    buf_free(&in);
    const char *what = "what it does not know, a message or a field, it steps over";
    return is_sent && check_answer(c, what, peer_receive(&c->peer, ANSWER_MS)) && check_note(c, true, "%s", what);
}

static bool send_cancel(check_t *c, uint32_t n)
{
    buf_t b = {0};
    served_put_cancel(&b, check_encoding(c), n);
    bool is_sent = peer_send(&c->peer, &b);
    buf_free(&b);
    return is_sent;
}

static bool cancel_stale(check_t *c)
{
    const char *what = "a cancel of a run that was answered changes nothing";
    return send_cancel(c, c->n - 1) && run_json(c, what, "1", 4) && check_note(c, true, "%s", what);
}

bool check_quiet(check_t *c, const char *what)
{
    peer_event_t event = peer_receive(&c->peer, QUIET_MS);
    return event == PEER_SILENT ? check_note(c, true, "%s", what) : check_instead(c, what, event);
}

/* ---- ends ---- */

static void judge_end(check_t *c, const char *what, bool want_zero)
{
    int status = 0;
    if (!peer_ended(&c->peer, LEAVE_MS, &status))
        check_note(c, false, "%s: it still runs after %d s", what, LEAVE_MS / 1000);
    else if (want_zero && WIFSIGNALED(status))
        check_note(c, false, "%s: it was killed by signal %d", what, WTERMSIG(status));
    else if (want_zero && WEXITSTATUS(status) != 0)
        check_note(c, false, "%s: its exit status is %d, not 0", what, WEXITSTATUS(status));
    else
        check_note(c, true, "%s", what);
}

void check_bye(check_t *c)
{
    buf_t b = {0};
    served_put_bye(&b, check_encoding(c));
    (void)peer_send(&c->peer, &b);
    buf_free(&b);
    judge_end(c, "bye: it ends, with status 0", true);
}

static int check_items(check_t *c, fanmap_error_t *err)
{
    buf_t tasks = {0};
    int code;
    c->n = FIRST_N;
    if (check_begin(c, true, &tasks, err, &code) && run_tasks(c, &tasks) && run_row(c) && run_later(c) &&
        cancel_stale(c) && check_quiet(c, "without a run it says nothing"))
        check_bye(c);
    peer_close(&c->peer);
    buf_free(&tasks);
    return code;
}

static int check_cancel(check_t *c, fanmap_error_t *err)
{
    int code;
    buf_t b = {0}, in = {0};
    c->n = 0;
    if (check_begin(c, false, NULL, err, &code) && check_send_job(c, c->task, NULL)) {
        mp_put_uint(&in, 1);
        put_run(c, &b, &in, 0);
        (void)peer_send(&c->peer, &b);
        (void)send_cancel(c, 0);
        kill(c->peer.pid, SIGTERM);
        peer_event_t event = peer_receive(&c->peer, LEAVE_MS);
        if (event == PEER_SILENT || event == PEER_BAD)
            check_instead(c, "cancel and TERM: it answers or ends", event);
        else
            check_note(c, true, "cancel and TERM: it answers or ends");
    }
    buf_free(&b);
    buf_free(&in);
    peer_close(&c->peer);
    return code;
}

static int check_hang_up(check_t *c, fanmap_error_t *err)
{
    int code;
    if (check_begin(c, false, NULL, err, &code)) {
        peer_end_writing(&c->peer);
        judge_end(c, "the end of the descriptor: it ends", false);
    }
    peer_close(&c->peer);
    return code;
}

static int check_bad(check_t *c, fanmap_error_t *err)
{
    int code;
    const char *what = "something that is no message, then the end: no answer, and it ends";
    buf_t b = {0};
    if (check_begin(c, false, NULL, err, &code)) {
        if (check_encoding(c) == SERVED_JSON)
            buf_append_text(&b, "{\"type\":\"run\",\"n\":\n");
        else
            buf_append(&b, "\x04\0\0\0\x97\x05\xc1\xc1", 8);
        (void)peer_send(&c->peer, &b);
        peer_end_writing(&c->peer);
        peer_event_t event = peer_receive(&c->peer, LEAVE_MS);
        if (event == PEER_MESSAGE || event == PEER_BAD)
            check_instead(c, what, event);
        else
            judge_end(c, what, false);
    }
    buf_free(&b);
    peer_close(&c->peer);
    return code;
}

int slots_check_program(const char *const *argv, uint32_t start_timeout_ms, int log_fd, fanmap_check_fn report,
                        void *arg, unsigned *ret_wrong, fanmap_error_t *err)
{
    static int (*const lives[])(check_t * c, fanmap_error_t * err) = {check_items, check_cancel, check_hang_up,
                                                                      check_bad, check_ahead};
    check_t c = {.argv = argv, .start_timeout_ms = start_timeout_ms, .log_fd = log_fd, .report = report, .arg = arg};
    for (size_t i = 0; i < sizeof lives / sizeof *lives && (i == 0 || c.was_ready); i++) {
        int code = lives[i](&c, err);
        if (code != FANMAP_OK)
            return code;
    }
    *ret_wrong = c.wrong;
    return FANMAP_OK;
}
