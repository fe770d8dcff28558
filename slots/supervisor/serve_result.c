#include <stdio.h>

#include "slots/shared/clean_text.h"
#include "slots/supervisor/supervisor.h"

enum { TYPE_MAX = 128, MESSAGE_MAX = 2048 };

static void send(supervisor_t *s, int64_t now_ns)
{
    s->command.state = COMMAND_IDLE;
    result_send(s, now_ns);
}

/* The last of what it printed on stderr, and what it says in its answer. */
static void put_tail(const supervisor_t *s, const served_message_t *answer, buf_t *ret)
{
    buf_t all = {0};
    buf_append(&all, s->board->tail, atomic_load(&s->board->tail_len));
    if (answer->report_len > 0)
        buf_append(&all, answer->report, answer->report_len);
    size_t over = all.len > BOARD_TAIL_BYTES ? all.len - BOARD_TAIL_BYTES : 0;
    if (all.len > over)
        clean_text(ret, (const char *)all.data + over, all.len - over);
    buf_free(&all);
}

static void send_error(supervisor_t *s, const served_message_t *answer, slot_done_t *done, int64_t now_ns)
{
    buf_t type = {0}, message = {0}, tail = {0};
    clean_text(&type, answer->error_type, answer->error_type_len < TYPE_MAX ? answer->error_type_len : TYPE_MAX);
    clean_text(&message, answer->message, answer->message_len < MESSAGE_MAX ? answer->message_len : MESSAGE_MAX);
    put_tail(s, answer, &tail);
    done->kind = FANMAP_EXCEPTION;
    done->final = answer->final;
    done->is_whole = answer->is_whole && s->serve.is_call;
    done->type = type.data ? (const char *)type.data : "";
    done->type_len = type.len;
    done->message = message.data ? (const char *)message.data : "";
    done->message_len = message.len;
    done->stderr_tail = tail.data ? (const char *)tail.data : "";
    done->stderr_len = tail.len;
    s->command.is_error = true;
    slot_put_done(&s->command.frame, done);
    send(s, now_ns);
    buf_free(&type);
    buf_free(&message);
    buf_free(&tail);
}

void serve_result(supervisor_t *s, const served_message_t *answer)
{
    command_t *c = &s->command;
    int64_t now_ns = proc_now_ns();
    slot_done_t done = {.n = c->n, .kind = FANMAP_VALUE, .run_us = (uint64_t)(now_ns - c->started_ns) / 1000};
    char message[96];
    s->serve.current->answered++;
    buf_clear(&c->frame);
    if (answer->is_error) {
        send_error(s, answer, &done, now_ns);
        return;
    }
    if (answer->value_len > c->value_bytes_max) {
        snprintf(message, sizeof message, "the value is over the limit of %zu bytes", c->value_bytes_max);
        c->state = COMMAND_IDLE;
        result_refuse(s, FANMAP_TOO_LARGE, 0, message);
        return;
    }
    done.value = answer->value;
    done.value_len = answer->value_len;
    c->is_error = false;
    slot_put_done(&c->frame, &done);
    send(s, now_ns);
}
