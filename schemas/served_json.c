/* What a program says in JSON lines of the slot protocol: a line becomes msgpack as a whole, and its members are put into the
 * order of the msgpack fields. */
#include "schemas/served_json.h"

#include <stdio.h>

#include "base/text.h"
#include "schemas/served.h"
#include "schemas/value.h"

/* A member's value in msgpack. */
typedef struct {
    const uint8_t *at; /* NULL: the member is not there */
    size_t len;
} span_t;

typedef struct {
    span_t type, v, encoding, tasks, ahead, calls, n, value, error;
} line_t;

typedef struct {
    span_t type, message, final, report, whole;
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

/* Finds the members that have a place. */
static bool find_members(const writer_t *w, const char *what, span_t object, const place_t *places, size_t places_n)
{
    mp_reader_t r;
    mp_reader_init(&r, object.at, object.len);
    if (mp_peek(&r) != MP_MAP)
        return set_why(w, what, " is not one JSON object");
    for (uint32_t n = mp_read_map(&r); n > 0 && !r.bad; n--) {
        span_t value;
        size_t key_len;
        const char *key = mp_read_str(&r, &key_len);
        value.at = mp_skip(&r, &value.len);
        for (size_t i = 0; i < places_n && !r.bad; i++)
            if (text_is(key, key_len, places[i].name))
                *places[i].to = value;
    }
    return !r.bad || set_why(w, what, " is not one JSON object");
}

static bool is_text(span_t span, const char *text)
{
    mp_reader_t r;
    size_t len;
    mp_reader_init(&r, span.at, span.len);
    const char *found = mp_peek(&r) == MP_STR ? mp_read_str(&r, &len) : NULL;
    return found && text_is(found, len, text);
}

static bool put_member(const writer_t *w, const char *what, span_t span)
{
    if (!span.at)
        return set_why(w, what, " is missing");
    buf_append(w->fields, span.at, span.len);
    return true;
}

/* A number that may be missing; 0 where something follows it. */
static bool put_optional(const writer_t *w, const char *what, span_t span, bool is_followed)
{
    if (!span.at && is_followed)
        mp_put_uint(w->fields, 0);
    return !span.at || put_member(w, what, span);
}

static bool put_hello(const writer_t *w, const line_t *line)
{
    mp_put_array(w->fields, line->calls.at ? 6 : line->ahead.at ? 5 : 4);
    mp_put_uint(w->fields, SLOT_HELLO);
    if (!put_member(w, "hello's v", line->v))
        return false;
    if (!line->encoding.at || !line->tasks.at) { /* another version may have neither; this one is then refused */
        for (int i = line->calls.at ? 4 : line->ahead.at ? 3 : 2; i > 0; i--)
            mp_put_nil(w->fields);
        return true;
    }
    return put_member(w, "hello's encoding", line->encoding) && put_member(w, "hello's tasks", line->tasks) &&
           put_optional(w, "hello's ahead", line->ahead, line->calls.at != NULL) &&
           (!line->calls.at || put_member(w, "hello's calls", line->calls));
}

static bool put_error(const writer_t *w, const line_t *line)
{
    failure_t e = {0};
    const place_t places[] = {
        {"type", &e.type}, {"message", &e.message}, {"final", &e.final}, {"stderr", &e.report}, {"whole", &e.whole}};
    if (!find_members(w, "done's error", line->error, places, sizeof places / sizeof *places))
        return false;
    mp_put_array(w->fields, e.whole.at ? 11 : e.report.at ? 10 : 7);
    mp_put_uint(w->fields, SLOT_DONE);
    if (!put_member(w, "done's n", line->n))
        return false;
    if (e.final.at && !put_member(w, "final", e.final))
        return false;
    if (!e.final.at)
        mp_put_bool(w->fields, false);
    mp_put_uint(w->fields, FANMAP_EXCEPTION);
    mp_put_uint(w->fields, 0);
    if (!e.type.at)
        mp_put_str(w->fields, "", 0);
    if ((e.type.at && !put_member(w, "the error's type", e.type)) || !put_member(w, "the error's message", e.message))
        return false;
    if (!e.report.at && !e.whole.at)
        return true;
    mp_put_int(w->fields, 0);
    mp_put_int(w->fields, 0);
    if (!e.report.at)
        mp_put_str(w->fields, "", 0);
    return (!e.report.at || put_member(w, "the error's stderr", e.report)) &&
           (!e.whole.at || put_member(w, "the error's whole", e.whole));
}

static bool put_value(const writer_t *w, const line_t *line)
{
    mp_put_array(w->fields, 6);
    mp_put_uint(w->fields, SLOT_DONE);
    if (!put_member(w, "done's n", line->n))
        return false;
    mp_put_bool(w->fields, false);
    mp_put_uint(w->fields, FANMAP_VALUE);
    mp_put_uint(w->fields, 0);
    return put_member(w, "done's value", line->value);
}

static bool put_done(const writer_t *w, const line_t *line)
{
    if (line->value.at && line->error.at)
        return set_why(w, "done", " has both a value and an error");
    return line->error.at ? put_error(w, line) : put_value(w, line);
}

bool served_line_to_fields(buf_t *fields, buf_t *object, const char *text, size_t len, char *why, size_t why_cap)
{
    line_t line = {0};
    writer_t w = {.fields = fields, .why_cap = why_cap};
    w.why = why;
    const place_t places[] = {{"type", &line.type},   {"v", &line.v},         {"encoding", &line.encoding},
                              {"tasks", &line.tasks}, {"ahead", &line.ahead}, {"calls", &line.calls},
                              {"n", &line.n},         {"value", &line.value}, {"error", &line.error}};
    fanmap_error_t err = {0};
    buf_clear(fields);
    buf_clear(object);
    if (value_from_json_object(object, text, len, &err) != FANMAP_OK) {
        snprintf(why, why_cap, "the line is not one JSON object: %.200s", err.message);
        return false;
    }
    if (!find_members(&w, "the line", (span_t){object->data, object->len}, places, sizeof places / sizeof *places))
        return false;
    bool ok = false;
    if (!line.type.at)
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
