/* What a run ended with, as a `done` frame, and its way into the ring. A command says it with its exit status, stdout and
 * stderr; a served program in its answer (serve_result.c); a run that could not begin has an error of the slot's own. */
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/duration.h"
#include "base/text.h"
#include "schemas/value.h"
#include "slots/shared/clean_text.h"
#include "slots/supervisor/supervisor.h"

enum { MESSAGE_MAX = 400 };

static void put_done(command_t *c, slot_done_t *done, const char *message)
{
    done->n = c->n;
    done->type = "";
    done->message = message;
    done->message_len = message ? strlen(message) : 0;
    if (!done->stderr_tail)
        done->stderr_tail = "";
    buf_clear(&c->frame);
    c->is_error = done->kind != FANMAP_VALUE;
    slot_put_done(&c->frame, done);
}

static void encode_refusal(command_t *c, fanmap_kind_t kind, int exit_status, const char *message)
{
    slot_done_t done = {.kind = kind, .exit_status = exit_status};
    put_done(c, &done, message);
}

/* The last line of stderr that says something, in `text`; else `otherwise`. */
static void last_line(const char *tail, size_t len, const char *otherwise, buf_t *text)
{
    while (len > 0 && strchr(" \t\r\n", tail[len - 1]))
        len--;
    size_t start = len;
    while (start > 0 && tail[start - 1] != '\n' && len - start < MESSAGE_MAX)
        start--;
    if (len > start)
        clean_text(text, tail + start, len - start);
    else
        buf_append_text(text, otherwise);
    buf_append(text, "", 1);
}

static void put_failure(command_t *c, const board_t *board, slot_done_t *done)
{
    char otherwise[96], size[SIZE_TEXT_MAX];
    buf_t text = {0}, tail = {0};
    size_t len = atomic_load(&board->tail_len);
    done->exit_status = WIFEXITED(c->status) ? WEXITSTATUS(c->status) : 0;
    done->signo = WIFSIGNALED(c->status) ? WTERMSIG(c->status) : 0;
    done->kind = c->saw_oom ? FANMAP_MEMORY : done->signo ? FANMAP_SIGNAL : FANMAP_EXIT;
    if (c->saw_oom)
        snprintf(otherwise, sizeof otherwise, "over its memory limit of %s",
                 size_format(size, sizeof size, c->limiter.limits.memory_bytes));
    else if (done->signo)
        snprintf(otherwise, sizeof otherwise, "killed by signal %d (%s)", done->signo, strsignal(done->signo));
    else
        snprintf(otherwise, sizeof otherwise, "exit status %d", done->exit_status);
    last_line(board->tail, c->saw_oom ? 0 : len, otherwise, &text);
    clean_text(&tail, board->tail, len);
    done->stderr_tail = (const char *)tail.data;
    done->stderr_len = tail.len;
    done->stdout_len = c->out.len < BOARD_TAIL_BYTES ? c->out.len : BOARD_TAIL_BYTES;
    done->stdout_tail = done->stdout_len > 0 ? (const char *)c->out.data + c->out.len - done->stdout_len : NULL;
    put_done(c, done, text.failed ? otherwise : (const char *)text.data);
    buf_free(&text);
    buf_free(&tail);
}

static size_t trimmed(const buf_t *text)
{
    size_t len = text->len;
    while (len > 0 && strchr(" \t\r\n", text->data[len - 1]))
        len--;
    return len;
}

/* The text of stdout, as $(...) of a shell takes it: its last newline ends it and is no part of it. */
static size_t text_len(const command_t *c, const char *out)
{
    size_t len = c->out.len;
    return len > 0 && out[len - 1] == '\n' && c->task->terms.output == STDOUT_TEXT ? len - 1 : len;
}

static bool put_value(command_t *c, slot_done_t *done)
{
    fanmap_error_t err = {0};
    const char *out = c->out.data ? (const char *)c->out.data : "";
    buf_clear(&c->scratch);
    bool is_json = c->task->terms.output == STDOUT_JSON;
    if (is_json && value_from_json(&c->scratch, out, trimmed(&c->out), &err) != FANMAP_OK) {
        char message[MESSAGE_MAX];
        snprintf(message, sizeof message, "stdout is not one JSON text: %.300s", err.message);
        done->kind = FANMAP_PROTOCOL;
        put_done(c, done, message);
        return true;
    }
    if (!is_json && text_utf8_valid(out, c->out.len))
        mp_put_str(&c->scratch, out, text_len(c, out));
    else if (!is_json)
        mp_put_bin(&c->scratch, out, c->out.len);
    done->value = c->scratch.data;
    done->value_len = c->scratch.len;
    put_done(c, done, NULL);
    return !c->scratch.failed && !c->frame.failed;
}

void result_of_exit(command_t *c, const board_t *board, int64_t now_ns)
{
    slot_done_t done = {.kind = FANMAP_VALUE, .run_us = (uint64_t)(now_ns - c->started_ns) / 1000};
    char message[96];
    snprintf(message, sizeof message, "the value is over the limit of %zu bytes", c->value_bytes_max);
    const char *out = c->out.data ? (const char *)c->out.data : "";
    if (c->too_large || (c->status == 0 && text_len(c, out) > c->value_bytes_max)) {
        done.kind = FANMAP_TOO_LARGE;
        put_done(c, &done, message);
    } else if (c->status != 0) {
        put_failure(c, board, &done);
    } else if (!put_value(c, &done)) {
        encode_refusal(c, FANMAP_MEMORY, 0, "no memory for the value");
    }
}

void result_send(supervisor_t *s, int64_t now_ns)
{
    command_t *c = &s->command;
    if (board_finish(s->board, c->is_error))
        outlet_put(&c->outlet, c->frame.data, c->frame.len, now_ns);
}

void result_refuse(supervisor_t *s, fanmap_kind_t kind, int exit_status, const char *message)
{
    encode_refusal(&s->command, kind, exit_status, message);
    result_send(s, proc_now_ns());
}
