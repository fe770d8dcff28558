/* The JSON lines of the slot protocol: members into the order of the msgpack fields, and what a program is told into a
 * line. */
#include "schemas/served_json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "schemas/json_members.h"
#include "schemas/served.h"
#include "schemas/value.h"

typedef struct {
    const char *text; /* NULL: the member is not there */
    size_t len;
} span_t;

typedef struct {
    span_t type, v, encoding, tasks, n, value, error;
} line_t;

typedef struct {
    span_t type, message, final, report;
} failure_t;

typedef struct {
    const char *name;
    span_t *to;
} place_t;

typedef struct {
    buf_t *fields;
    char *why;
    size_t why_cap;
} writer_t;

static bool set_why(const writer_t *w, const char *what, const char *why)
{
    snprintf(w->why, w->why_cap, "%s%s", what, why);
    return false;
}

/* Finds the members that have a place; each may stand there once. */
static bool split(const writer_t *w, const char *what, span_t object, const place_t *places, size_t places_n)
{
    json_members_t m;
    json_member_t member;
    json_members_begin(&m, object.text, object.len);
    while (json_members_next(&m, &member))
        for (size_t i = 0; i < places_n; i++) {
            if (strlen(places[i].name) != member.key_len || memcmp(places[i].name, member.key, member.key_len) != 0)
                continue;
            if (places[i].to->text)
                return set_why(w, what, " names a member twice");
            *places[i].to = (span_t){member.value, member.value_len};
        }
    return m.bad ? set_why(w, what, " is not one JSON object") : true;
}

static bool is_text(span_t span, const char *text)
{
    size_t len = strlen(text);
    return span.len == len + 2 && span.text[0] == '"' && memcmp(span.text + 1, text, len) == 0;
}

static bool put(const writer_t *w, const char *what, span_t span)
{
    fanmap_error_t err = {0};
    if (!span.text)
        return set_why(w, what, " is missing");
    if (value_from_json(w->fields, span.text, span.len, &err) == FANMAP_OK)
        return true;
    snprintf(w->why, w->why_cap, "%s: %.200s", what, err.message);
    return false;
}

static bool put_hello(const writer_t *w, const line_t *line)
{
    mp_put_array(w->fields, 4);
    mp_put_uint(w->fields, SLOT_HELLO);
    if (!put(w, "hello's v", line->v))
        return false;
    if (!line->encoding.text || !line->tasks.text) { /* another version may have neither; this one is then refused */
        mp_put_nil(w->fields);
        mp_put_nil(w->fields);
        return true;
    }
    return put(w, "hello's encoding", line->encoding) && put(w, "hello's tasks", line->tasks);
}

static bool put_error(const writer_t *w, const line_t *line)
{
    failure_t e = {0};
    const place_t places[] = {{"type", &e.type}, {"message", &e.message}, {"final", &e.final}, {"stderr", &e.report}};
    if (!split(w, "done's error", line->error, places, sizeof places / sizeof *places))
        return false;
    mp_put_array(w->fields, e.report.text ? 10 : 7);
    mp_put_uint(w->fields, SLOT_DONE);
    if (!put(w, "done's n", line->n))
        return false;
    if (e.final.text && !put(w, "final", e.final))
        return false;
    if (!e.final.text)
        mp_put_bool(w->fields, false);
    mp_put_uint(w->fields, FANMAP_EXCEPTION);
    mp_put_uint(w->fields, 0);
    if (!e.type.text)
        mp_put_str(w->fields, "", 0);
    if ((e.type.text && !put(w, "the error's type", e.type)) || !put(w, "the error's message", e.message))
        return false;
    if (!e.report.text)
        return true;
    mp_put_int(w->fields, 0);
    mp_put_int(w->fields, 0);
    return put(w, "the error's stderr", e.report);
}

static bool put_value(const writer_t *w, const line_t *line)
{
    mp_put_array(w->fields, 6);
    mp_put_uint(w->fields, SLOT_DONE);
    if (!put(w, "done's n", line->n))
        return false;
    mp_put_bool(w->fields, false);
    mp_put_uint(w->fields, FANMAP_VALUE);
    mp_put_uint(w->fields, 0);
    return put(w, "done's value", line->value);
}

static bool put_done(const writer_t *w, const line_t *line)
{
    if (line->value.text && line->error.text)
        return set_why(w, "done", " has both a value and an error");
    return line->error.text ? put_error(w, line) : put_value(w, line);
}

bool served_line_to_fields(buf_t *fields, const char *text, size_t len, char *why, size_t why_cap)
{
    line_t line = {0};
    writer_t w = {.fields = fields, .why_cap = why_cap};
    w.why = why;
    const place_t places[] = {{"type", &line.type},   {"v", &line.v}, {"encoding", &line.encoding},
                              {"tasks", &line.tasks}, {"n", &line.n}, {"value", &line.value},
                              {"error", &line.error}};
    buf_clear(fields);
    if (!split(&w, "the line", (span_t){text, len}, places, sizeof places / sizeof *places))
        return false;
    bool ok = false;
    if (!line.type.text)
        set_why(&w, "the line", " has no type");
    else if (is_text(line.type, "done"))
        ok = put_done(&w, &line);
    else if (is_text(line.type, "hello"))
        ok = put_hello(&w, &line);
    else if (is_text(line.type, "ready"))
        mp_put_array(fields, 1), mp_put_uint(fields, SLOT_READY), ok = true;
    else
        set_why(&w, "the line", " is of a type that a program does not send");
    return ok && fields->failed ? set_why(&w, "no memory for", " the line") : ok;
}

/* ---- what a program is told ---- */

bool served_put_job(buf_t *b, served_encoding_t encoding, const slot_job_t *job)
{
    size_t start = b->len;
    if (encoding == SERVED_MSGPACK) {
        slot_put_job(b, job);
        return true;
    }
    buf_printf(b, "{\"type\":\"job\",\"id\":%" PRIu32 ",\"job\":", job->id);
    json_put_string(b, job->job, job->job_len);
    buf_append_text(b, ",\"task\":");
    json_put_string(b, job->task, job->task_len);
    buf_printf(b, ",\"attempts_max\":%" PRIu32 ",\"value_bytes_max\":%" PRIu32 ",\"bound\":", job->attempts_max,
               job->value_bytes_max);
    if (job->bound_len == 0)
        buf_append_text(b, "null");
    else if (value_to_json(b, job->bound, job->bound_len, NULL) != FANMAP_OK) {
        b->len = start;
        return false;
    }
    buf_append_text(b, "}\n");
    return true;
}

bool served_put_run(buf_t *b, served_encoding_t encoding, const slot_run_t *run, uint32_t job_id)
{
    size_t start = b->len;
    if (encoding == SERVED_MSGPACK) {
        slot_put_run(b, run);
        return true;
    }
    buf_printf(b,
               "{\"type\":\"run\",\"n\":%" PRIu32 ",\"job\":%" PRIu32 ",\"index\":%" PRIu64 ",\"attempt\":%" PRIu32
               ",\"fence\":%" PRIu64 ",\"deadline_ms\":%" PRId64 ",\"in\":",
               run->n, job_id, run->index, run->attempt, run->fence, run->deadline_ms);
    if (value_to_json(b, run->in, run->in_len, NULL) != FANMAP_OK) {
        b->len = start;
        return false;
    }
    buf_append_text(b, "}\n");
    return true;
}

void served_put_cancel(buf_t *b, served_encoding_t encoding, uint32_t n)
{
    if (encoding == SERVED_MSGPACK)
        slot_put_cancel(b, n);
    else
        buf_printf(b, "{\"type\":\"cancel\",\"n\":%" PRIu32 "}\n", n);
}

void served_put_bye(buf_t *b, served_encoding_t encoding)
{
    if (encoding == SERVED_MSGPACK)
        slot_put_bye(b);
    else
        buf_append_text(b, "{\"type\":\"bye\"}\n");
}
