#include "schemas/logs.h"

enum { HEAD_FIELDS = 3, LINE_FIELDS = 3 };

void logs_put_line(buf_t *entries, const logs_line_t *line)
{
    mp_put_array(entries, LINE_FIELDS);
    mp_put_uint(entries, line->index);
    mp_put_uint(entries, line->attempt);
    mp_put_str(entries, line->text, line->len);
}

void logs_encode(buf_t *b, uint64_t dropped, uint32_t lines_n, const buf_t *entries)
{
    mp_put_array(b, HEAD_FIELDS);
    mp_put_uint(b, LOGS_VERSION);
    mp_put_uint(b, dropped);
    mp_put_array(b, lines_n);
    buf_append(b, entries->data, entries->len);
}

/* Twice over the same bytes: nothing is told of a record that is not sound to its end. */
static bool walk(const void *value, size_t len, logs_line_fn fn, void *arg, uint64_t *ret_dropped)
{
    mp_reader_t r;
    mp_reader_init(&r, value, len);
    uint32_t fields = mp_read_array(&r);
    if (mp_read_uint(&r) != LOGS_VERSION)
        return false;
    *ret_dropped = mp_read_uint(&r);
    uint32_t n = mp_read_array(&r);
    for (uint32_t i = 0; i < n && !r.bad; i++) {
        logs_line_t line;
        uint32_t of_line = mp_read_array(&r);
        line.index = mp_read_uint(&r);
        line.attempt = mp_read_u32(&r);
        line.text = mp_read_str(&r, &line.len);
        r.bad = r.bad || of_line < LINE_FIELDS;
        for (uint32_t field = LINE_FIELDS; field < of_line && !r.bad; field++) {
            size_t later;
            (void)mp_skip(&r, &later);
        }
        if (fn && !r.bad)
            fn(arg, &line);
    }
    return !r.bad && mp_end_fields(&r, fields, HEAD_FIELDS);
}

bool logs_decode(const void *value, size_t len, logs_line_fn fn, void *arg, uint64_t *ret_dropped)
{
    uint64_t dropped = 0;
    if (!walk(value, len, NULL, NULL, &dropped))
        return false;
    *ret_dropped = dropped;
    return walk(value, len, fn, arg, &dropped);
}
