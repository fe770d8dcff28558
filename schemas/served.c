/* A message of a served program in either encoding. msgpack frames are cut by their length; JSON lines are put into
 * the same fields first (served_json.c). Then one reader judges both. */
#include "schemas/served.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "schemas/served_json.h"

enum {
    LENGTH_BYTES = 4,
    SPARE_BYTES = 64 * 1024,
    HELLO_FIELDS = 4,
    DONE_VALUE_FIELDS = 6,
    DONE_ERROR_FIELDS = 7,
    DONE_REPORT_FIELDS = 3
};

void served_reader_free(served_reader_t *r)
{
    buf_free(&r->fields);
    buf_free(&r->object);
    *r = (served_reader_t){0};
}

static int set_why(served_reader_t *r, const char *why)
{
    snprintf(r->why, sizeof r->why, "%s", why);
    return -1;
}

/* ---- one message, as the fields of a msgpack array ---- */

static bool names_ok(const uint8_t *tasks, size_t len)
{
    mp_reader_t r;
    mp_reader_init(&r, tasks, len);
    uint32_t n = mp_read_array(&r);
    for (uint32_t i = 0; i < n && !r.bad; i++) {
        char name[TASK_NAME_MAX + 1];
        mp_read_text(&r, name, sizeof name);
        r.bad = r.bad || !task_name_valid(name);
    }
    return mp_done(&r);
}

static int read_hello(served_reader_t *reader, mp_reader_t *r, uint32_t fields, served_message_t *m)
{
    char encoding[16];
    uint64_t version = mp_read_uint(r);
    if (r->bad || version == 0 || version > UINT32_MAX)
        return set_why(reader, "hello has no version");
    m->version = (uint32_t)version;
    if (m->version != SERVED_VERSION)
        return 1; /* whatever else it says; the caller refuses it */
    if (fields < HELLO_FIELDS)
        return set_why(reader, "hello lacks its encoding or its tasks");
    mp_read_text(r, encoding, sizeof encoding);
    if (r->bad || strcmp(encoding, reader->encoding == SERVED_JSON ? "json" : "msgpack") != 0)
        return set_why(reader, "hello does not name the encoding that it is written in");
    m->tasks = mp_skip(r, &m->tasks_len);
    if (r->bad || !names_ok(m->tasks, m->tasks_len))
        return set_why(reader, "the tasks of hello are not an array of task names");
    uint32_t known = HELLO_FIELDS;
    if (fields > known) {
        m->ahead = mp_read_u32(r);
        known++;
    }
    if (r->bad)
        return set_why(reader, "the ahead of hello is not a number of runs");
    if (fields > known) {
        m->calls = mp_skip(r, &m->calls_len);
        known++;
    }
    if (r->bad || (m->calls && !names_ok(m->calls, m->calls_len)))
        return set_why(reader, "the calls of hello are not an array of task names");
    mp_skip_fields(r, fields - known);
    return mp_done(r) ? 1 : set_why(reader, "hello is not one sound message");
}

/* exit_status and signo of an error say nothing here; its stderr may. Returns how many fields were read. */
static uint32_t read_report(mp_reader_t *r, uint32_t fields, served_message_t *m)
{
    if (fields < DONE_REPORT_FIELDS)
        return 0;
    mp_skip_fields(r, 2);
    mp_type_t type = mp_peek(r);
    if (type == MP_STR)
        m->report = mp_read_str(r, &m->report_len);
    else if (type == MP_BIN)
        m->report = (const char *)mp_read_bin(r, &m->report_len);
    else
        mp_skip_fields(r, 1);
    if (fields == DONE_REPORT_FIELDS)
        return DONE_REPORT_FIELDS;
    m->is_whole = mp_read_bool(r);
    return DONE_REPORT_FIELDS + 1;
}

static int read_done(served_reader_t *reader, mp_reader_t *r, uint32_t fields, served_message_t *m)
{
    uint64_t n = mp_read_uint(r);
    if (r->bad || n > UINT32_MAX)
        return set_why(reader, "done has no n");
    m->n = (uint32_t)n;
    m->final = mp_read_bool(r);
    uint64_t kind = mp_read_uint(r);
    mp_read_uint(r); /* run_us: the worker measures for itself */
    if (r->bad || kind > FANMAP_EXCEPTION)
        return set_why(reader, "done is neither a value (kind 0) nor an error (kind 1)");
    m->is_error = kind == FANMAP_EXCEPTION;
    uint32_t known = m->is_error ? DONE_ERROR_FIELDS : DONE_VALUE_FIELDS;
    if (fields < known)
        return set_why(reader, "done lacks fields");
    if (m->is_error) {
        m->error_type = mp_read_str(r, &m->error_type_len);
        m->message = mp_read_str(r, &m->message_len);
        known += read_report(r, fields - known, m);
    } else {
        m->value = mp_skip(r, &m->value_len);
    }
    if (r->bad)
        return set_why(reader, m->is_error ? "the error of done has no type and message" : "done's value is not sound");
    mp_skip_fields(r, fields - known);
    return mp_done(r) ? 1 : set_why(reader, "done is not one sound message");
}

static int read_fields(served_reader_t *reader, const void *bytes, size_t len, served_message_t *ret)
{
    mp_reader_t r;
    served_message_t m = {0};
    int got = 1;
    mp_reader_init(&r, bytes, len);
    uint32_t fields = mp_read_array(&r);
    uint64_t type = mp_read_uint(&r);
    if (r.bad || fields < 1)
        return set_why(reader, "it is not an array that begins with a type");
    m.type = (slot_frame_type_t)type;
    if (type == SLOT_HELLO)
        got = read_hello(reader, &r, fields, &m);
    else if (type == SLOT_DONE)
        got = read_done(reader, &r, fields, &m);
    else if (type != SLOT_READY)
        return set_why(reader, "it is of a type that a program does not send");
    if (got > 0)
        *ret = m;
    return got;
}

/* ---- the two encodings ---- */

static int decode_frame(served_reader_t *r, const uint8_t *at, size_t len, size_t frame_max, served_message_t *ret,
                        size_t *ret_used)
{
    if (len < LENGTH_BYTES)
        return 0;
    uint32_t payload = (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
    if (payload > frame_max || frame_max - payload < LENGTH_BYTES) {
        snprintf(r->why, sizeof r->why, "a frame of %u bytes is over the limit of %zu", payload, frame_max);
        return -1;
    }
    if (len - LENGTH_BYTES < payload)
        return 0;
    int got = read_fields(r, at + LENGTH_BYTES, payload, ret);
    if (got > 0)
        *ret_used = LENGTH_BYTES + (size_t)payload;
    return got;
}

static int decode_line(served_reader_t *r, const char *text, size_t len, size_t frame_max, served_message_t *ret,
                       size_t *ret_used)
{
    const char *end = r->scanned < len ? memchr(text + r->scanned, '\n', len - r->scanned) : NULL;
    size_t line = end ? (size_t)(end - text) : len;
    if (line > frame_max) {
        snprintf(r->why, sizeof r->why, "a line is over the limit of %zu bytes", frame_max);
        return -1;
    }
    r->scanned = end ? 0 : len;
    if (!end)
        return 0;
    if (!served_line_to_fields(&r->fields, &r->object, text, line, r->why, sizeof r->why))
        return -1;
    int got = read_fields(r, r->fields.data, r->fields.len, ret);
    if (got > 0)
        *ret_used = line + 1;
    return got;
}

/* A hello of JSON has no NUL in it; the length of a frame that may be a hello has one as its fourth byte. */
static int find_encoding(served_reader_t *r, const uint8_t *at, size_t len)
{
    if (len < LENGTH_BYTES && memchr(at, '\n', len) == NULL)
        return 0;
    if (len >= LENGTH_BYTES && at[3] == 0)
        r->encoding = SERVED_MSGPACK;
    else if (at[0] == '{')
        r->encoding = SERVED_JSON;
    else
        return set_why(r, "it begins neither as a frame nor as a JSON object");
    return 1;
}

int served_decode(served_reader_t *r, const void *bytes, size_t len, size_t frame_max, served_message_t *ret,
                  size_t *ret_used)
{
    if (r->encoding == SERVED_UNKNOWN) {
        int got = len > 0 ? find_encoding(r, bytes, len) : 0;
        if (got <= 0)
            return got;
    }
    if (r->encoding == SERVED_JSON)
        return decode_line(r, bytes, len, frame_max, ret, ret_used);
    return decode_frame(r, bytes, len, frame_max, ret, ret_used);
}

size_t served_frame_max(served_encoding_t encoding, size_t value_bytes_max)
{
    /* In JSON a byte takes at most six, as in \u0000. */
    return SPARE_BYTES + value_bytes_max * (encoding == SERVED_JSON ? 6 : 2);
}

bool served_has_task(const uint8_t *tasks, size_t tasks_len, const char *name)
{
    mp_reader_t r;
    mp_reader_init(&r, tasks, tasks_len);
    uint32_t n = mp_read_array(&r);
    for (uint32_t i = 0; i < n && !r.bad; i++) {
        size_t len;
        const char *text = mp_read_str(&r, &len);
        if (text && text_is(text, len, name))
            return true;
    }
    return false;
}
