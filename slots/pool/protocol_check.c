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
#include <sys/wait.h>

#include "slots/pool/check.h"

enum { LEAVE_MS = 5000, FIRST_N = 4294967000u /* n has 32 bits, and may pass their end */ };

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
bool check_instead(check_t *c, const char *wanted, peer_event_t event)
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

/* Starts the program and waits for hello and ready. *ret_code: whether it could be started. */
static bool begin(check_t *c, bool is_reported, fanmap_error_t *err, int *ret_code)
{
    *ret_code = peer_start(&c->peer, c->argv, c->log_fd, c->with_permits, err);
    if (*ret_code != FANMAP_OK || !greet(c, is_reported))
        return false;
    buf_clear(&c->tasks);
    buf_append(&c->tasks, c->peer.message.tasks, c->peer.message.tasks_len);
    peer_event_t event = peer_receive(&c->peer, c->start_timeout_ms);
    if (event != PEER_MESSAGE || c->peer.message.type != SLOT_READY)
        return check_instead(c, "ready follows hello", event);
    if (is_reported)
        check_note(c, true, "ready follows hello");
    c->was_ready = true;
    c->peer.frame_max = served_frame_max(check_encoding(c), CHECK_VALUE_MAX);
    return true;
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

static void bye(check_t *c)
{
    buf_t b = {0};
    served_put_bye(&b, check_encoding(c));
    (void)check_send(c, &b);
    judge_end(c, "bye: it ends, with status 0", true);
}

static void check_items(check_t *c)
{
    c->n = FIRST_N;
    if (check_run_tasks(c) && check_run_many(c) && check_run_later(c) && check_cancel_stale(c) &&
        check_quiet(c, "without a run it says nothing"))
        bye(c);
}

static void check_cancel(check_t *c)
{
    const char *what = "cancel and TERM: it answers or ends";
    buf_t b = {0}, in = {0};
    c->n = 0;
    if (!check_send_job(c, c->task, NULL))
        return;
    mp_put_uint(&in, 1);
    check_put_run(c, &b, &in, 0);
    buf_free(&in);
    (void)check_send(c, &b);
    (void)check_send_cancel(c, 0);
    kill(c->peer.pid, SIGTERM);
    peer_event_t event = peer_receive(&c->peer, LEAVE_MS);
    if (event == PEER_SILENT || event == PEER_BAD)
        check_instead(c, what, event);
    else
        check_note(c, true, "%s", what);
}

static void check_hang_up(check_t *c)
{
    peer_end_writing(&c->peer);
    judge_end(c, "the end of the descriptor: it ends", false);
}

static void check_bad(check_t *c)
{
    const char *what = "something that is no message, then the end: no answer, and it ends";
    buf_t b = {0};
    if (check_encoding(c) == SERVED_JSON)
        buf_append_text(&b, "{\"type\":\"run\",\"n\":\n");
    else
        buf_append(&b, "\x04\0\0\0\x97\x05\xc1\xc1", 8);
    (void)check_send(c, &b);
    peer_end_writing(&c->peer);
    peer_event_t event = peer_receive(&c->peer, LEAVE_MS);
    if (event == PEER_MESSAGE || event == PEER_BAD)
        check_instead(c, what, event);
    else
        judge_end(c, what, false);
}

static void check_ahead(check_t *c)
{
    if (c->ahead > 0 && check_runs_ahead(c))
        bye(c);
}

int slots_check_program(const char *const *argv, uint32_t start_timeout_ms, int log_fd, fanmap_check_fn report,
                        void *arg, unsigned *ret_wrong, fanmap_error_t *err)
{
    static void (*const lives[])(check_t * c) = {check_items, check_cancel, check_hang_up, check_bad, check_ahead};
    check_t c = {.argv = argv, .start_timeout_ms = start_timeout_ms, .log_fd = log_fd, .report = report, .arg = arg};
    int code = FANMAP_OK;
    for (size_t i = 0; code == FANMAP_OK && i < sizeof lives / sizeof *lives && (i == 0 || c.was_ready); i++) {
        c.with_permits = lives[i] == check_ahead;
        if (begin(&c, i == 0, err, &code))
            lives[i](&c);
        peer_close(&c.peer);
    }
    buf_free(&c.tasks);
    if (code == FANMAP_OK)
        *ret_wrong = c.wrong;
    return code;
}
