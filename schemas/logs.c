#include "schemas/logs.h"

#include "schemas/mp_fields.h"

enum { HEAD_FIELDS = 3, ALL_FIELDS = 5, LINE_FIELDS = 3, END_FIELDS = 9 };

MP_TABLE(line_fields, LINE_FIELDS, MP_U64(logs_line_t, index), MP_U32(logs_line_t, attempt),
         MP_STR_OF(logs_line_t, text, len));
MP_TABLE(end_fields, END_FIELDS, MP_U64(logs_end_t, index), MP_U32(logs_end_t, attempt), MP_U32(logs_end_t, kind),
         MP_I64(logs_end_t, ended_ms), MP_U64(logs_end_t, run_us), MP_STR_OF(logs_end_t, type, type_len),
         MP_STR_OF(logs_end_t, message, message_len), MP_I32(logs_end_t, exit_status), MP_I32(logs_end_t, signo));

void logs_put_line(logs_pack_t *pack, const logs_line_t *line)
{
    pack->lines_n++;
    mp_put_array(&pack->lines, LINE_FIELDS);
    mp_put_fields(&pack->lines, line_fields, LINE_FIELDS, line);
}

void logs_put_end(logs_pack_t *pack, const logs_end_t *end)
{
    pack->ends_n++;
    mp_put_array(&pack->ends, END_FIELDS);
    mp_put_fields(&pack->ends, end_fields, END_FIELDS, end);
}

size_t logs_pack_bytes(const logs_pack_t *pack)
{
    return pack->lines.len + pack->ends.len;
}

void logs_pack_clear(logs_pack_t *pack)
{
    buf_clear(&pack->lines);
    buf_clear(&pack->ends);
    pack->lines_n = pack->ends_n = 0;
}

void logs_pack_free(logs_pack_t *pack)
{
    buf_free(&pack->lines);
    buf_free(&pack->ends);
}

void logs_encode(buf_t *b, uint64_t dropped, const char *worker, const logs_pack_t *pack)
{
    bool has_more = worker[0] || pack->ends_n > 0;
    mp_put_array(b, has_more ? ALL_FIELDS : HEAD_FIELDS);
    mp_put_uint(b, LOGS_VERSION);
    mp_put_uint(b, dropped);
    mp_put_array(b, pack->lines_n);
    buf_append(b, pack->lines.data, pack->lines.len);
    if (!has_more)
        return;
    mp_put_text(b, worker);
    mp_put_array(b, pack->ends_n);
    buf_append(b, pack->ends.data, pack->ends.len);
}

typedef struct {
    const logs_callbacks_t *callbacks; /* NULL: it is only looked whether it is sound */
    void *arg;
    mp_reader_t r;
    uint64_t dropped;
} walk_t;

static void end_entry(mp_reader_t *r, uint32_t fields, uint32_t known)
{
    r->bad = r->bad || fields < known;
    if (!r->bad)
        mp_skip_fields(r, fields - known);
}

static void read_line(walk_t *w)
{
    logs_line_t line;
    uint32_t fields = mp_read_array(&w->r);
    mp_read_fields(&w->r, line_fields, LINE_FIELDS, &line);
    end_entry(&w->r, fields, LINE_FIELDS);
    if (w->callbacks && w->callbacks->line && !w->r.bad)
        w->callbacks->line(w->arg, &line);
}

static void read_end(walk_t *w, const char *worker, size_t worker_len)
{
    logs_end_t end = {.worker = worker, .worker_len = worker_len};
    uint32_t fields = mp_read_array(&w->r);
    mp_read_fields(&w->r, end_fields, END_FIELDS, &end);
    end_entry(&w->r, fields, END_FIELDS);
    w->r.bad = w->r.bad || end.kind > FANMAP_LOST;
    if (w->callbacks && w->callbacks->end && !w->r.bad)
        w->callbacks->end(w->arg, &end);
}

static bool walk(walk_t *w, const void *value, size_t len)
{
    size_t worker_len;
    mp_reader_init(&w->r, value, len);
    uint32_t fields = mp_read_array(&w->r);
    if (mp_read_uint(&w->r) != LOGS_VERSION)
        return false;
    w->dropped = mp_read_uint(&w->r);
    for (uint32_t n = mp_read_array(&w->r); n > 0 && !w->r.bad; n--)
        read_line(w);
    if (fields < ALL_FIELDS)
        return mp_end_fields(&w->r, fields, HEAD_FIELDS);
    const char *worker = mp_read_str(&w->r, &worker_len);
    for (uint32_t n = mp_read_array(&w->r); n > 0 && !w->r.bad; n--)
        read_end(w, worker, worker_len);
    return mp_end_fields(&w->r, fields, ALL_FIELDS);
}

/* Twice over the same bytes: nothing is told of a record that is not sound to its end. */
bool logs_decode(const void *value, size_t len, const logs_callbacks_t *callbacks, void *arg, uint64_t *ret_dropped)
{
    walk_t w = {0};
    if (!walk(&w, value, len))
        return false;
    *ret_dropped = w.dropped;
    w.callbacks = callbacks;
    w.arg = arg;
    return walk(&w, value, len);
}
