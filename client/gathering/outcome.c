/* An outcome of the log, made into what the caller sees: texts with a NUL that are UTF-8, the value in the format
 * asked for. */
#include "client/gathering/outcome.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "schemas/value.h"

static const char *const kind_names[] = {"value",     "exception", "exit",     "signal",       "timeout",
                                         "memory",    "protocol",  "crashed",  "unknown_task", "bad_input",
                                         "too_large", "cancelled", "deadline", "lost"};

const char *fanmap_kind_name(fanmap_kind_t kind)
{
    size_t i = (size_t)kind;
    return i < sizeof kind_names / sizeof kind_names[0] ? kind_names[i] : "unknown";
}

static void fill_value(outcome_view_t *view, const outcome_t *outcome)
{
    fanmap_outcome_t *o = &view->outcome;
    fanmap_error_t why;
    o->value = outcome->value;
    o->value_len = outcome->value_len;
    if (view->format == FANMAP_MSGPACK)
        return;
    if (view->format == FANMAP_TEXT && value_as_bytes(outcome->value, outcome->value_len, &o->value, &o->value_len))
        return;
    if (value_to_json(&view->value, outcome->value, outcome->value_len, &why) == FANMAP_OK) {
        o->value = view->value.data;
        o->value_len = view->value.len;
        return;
    }
    o->kind = FANMAP_PROTOCOL; /* a value that JSON cannot hold */
    o->value = NULL;
    o->value_len = 0;
    buf_append(&view->text, why.message, strlen(why.message) + 1);
}

/* How many bytes from `text` on are characters that stay as they are. */
static size_t sound_run(const char *text, size_t len)
{
    size_t i = 0;
    uint32_t scalar;
    for (size_t n; i < len && text[i]; i += n)
        if ((n = (unsigned char)text[i] < 0x80 ? 1 : text_utf8_decode(text + i, len - i, &scalar)) == 0)
            break;
    return i;
}

void put_utf8(buf_t *b, const char *text, size_t len)
{
    if (len > 0 && !memchr(text, '\0', len) && text_utf8_valid(text, len)) { /* as nearly all is */
        buf_append(b, text, len);
        return;
    }
    for (size_t i = 0; i < len;) {
        size_t n = sound_run(text + i, len - i);
        buf_append(b, text + i, n);
        i += n;
        if (i < len)
            buf_append_text(b, "\xEF\xBF\xBD");
        i += i < len;
    }
}

static size_t put_text(buf_t *b, const char *text, size_t len)
{
    size_t at = b->len;
    put_utf8(b, text, len);
    buf_append(b, "", 1);
    return at;
}

int outcome_view_fill(outcome_view_t *view, const outcome_t *outcome, fanmap_error_t *err)
{
    fanmap_outcome_t *o = &view->outcome;
    *o = (fanmap_outcome_t){.index = outcome->index,
                            .attempts = outcome->attempts,
                            .kind = outcome->kind,
                            .exit_status = outcome->exit_status,
                            .signo = outcome->signo,
                            .run_us = outcome->run_us,
                            .type = "",
                            .message = "",
                            .stderr_tail = "",
                            .stdout_tail = "",
                            .partition = -1,
                            .worker = ""};
    buf_clear(&view->value);
    buf_clear(&view->text);
    if (outcome->kind == FANMAP_VALUE) {
        fill_value(view, outcome);
        size_t worker = outcome->worker_len > 0 ? put_text(&view->text, outcome->worker, outcome->worker_len) : 0;
        if (o->kind != FANMAP_VALUE && !view->text.failed)
            o->message = (const char *)view->text.data;
        if (outcome->worker_len > 0 && !view->text.failed)
            o->worker = (const char *)view->text.data + worker;
    } else {
        size_t type = put_text(&view->text, outcome->type, outcome->type_len);
        size_t message = put_text(&view->text, outcome->message, outcome->message_len);
        size_t tail = put_text(&view->text, outcome->stderr_tail, outcome->stderr_len);
        o->stderr_len = view->text.len - tail - 1;
        size_t printed = put_text(&view->text, outcome->stdout_tail, outcome->stdout_len);
        o->stdout_len = view->text.len - printed - 1;
        size_t worker = put_text(&view->text, outcome->worker, outcome->worker_len);
        if (!view->text.failed) {
            o->type = (const char *)view->text.data + type;
            o->message = (const char *)view->text.data + message;
            o->stderr_tail = (const char *)view->text.data + tail;
            o->stdout_tail = (const char *)view->text.data + printed;
            o->worker = (const char *)view->text.data + worker;
        }
    }
    if (view->value.failed || view->text.failed)
        return err_set(err, FANMAP_ENOMEM, "out of memory for outcome %" PRIu64, o->index);
    return FANMAP_OK;
}

void outcome_view_free(outcome_view_t *view)
{
    buf_free(&view->value);
    buf_free(&view->text);
}

const char *msgpack_single_key(const void *mp, size_t len, const uint8_t **ret_value, size_t *ret_len)
{
    static const char *const keys[] = {"$error", "$value", "$binary"};
    mp_reader_t r;
    size_t key_len;
    mp_reader_init(&r, mp, len);
    if (mp_peek(&r) != MP_MAP || mp_read_map(&r) != 1 || mp_peek(&r) != MP_STR)
        return NULL;
    const char *key = mp_read_str(&r, &key_len);
    *ret_value = mp_skip(&r, ret_len);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0] && !r.bad; i++)
        if (text_is(key, key_len, keys[i]))
            return keys[i];
    return NULL;
}

int fanmap_outcome_keep(const fanmap_outcome_t *outcome, fanmap_outcome_t **ret_outcome)
{
    size_t type = strlen(outcome->type) + 1, message = strlen(outcome->message) + 1;
    size_t total = sizeof *outcome + outcome->value_len + type + message + outcome->stderr_len + 1;
    size_t worker = strlen(outcome->worker) + 1;
    total += outcome->stdout_len + 1 + outcome->key_len + worker;
    fanmap_outcome_t *copy = malloc(total);
    if (!copy)
        return FANMAP_ENOMEM;
    *copy = *outcome;
    char *at = (char *)(copy + 1);
    copy->type = memcpy(at, outcome->type, type);
    copy->message = memcpy(at += type, outcome->message, message);
    at = (char *)memcpy(at + message, outcome->stderr_tail, outcome->stderr_len);
    copy->stderr_tail = at;
    at[outcome->stderr_len] = '\0';
    at += outcome->stderr_len + 1;
    copy->stdout_tail = outcome->stdout_len > 0 ? memcpy(at, outcome->stdout_tail, outcome->stdout_len) : at;
    at[outcome->stdout_len] = '\0';
    at += outcome->stdout_len + 1;
    copy->worker = memcpy(at, outcome->worker, worker);
    at += worker;
    if (outcome->value_len)
        memcpy(at, outcome->value, outcome->value_len);
    copy->value = at;
    if (outcome->key)
        copy->key = outcome->key_len > 0 ? memcpy(at + outcome->value_len, outcome->key, outcome->key_len) : at;
    *ret_outcome = copy;
    return FANMAP_OK;
}

void fanmap_outcome_free(fanmap_outcome_t *outcome)
{
    free(outcome);
}
