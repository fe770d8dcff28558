/* Writing the metadata of a commit: what must be there, then as many counts, then as many ranges as fit into what is left. */
#include <string.h>

#include "schemas/commit_layout.h"
#include "schemas/mp.h"
#include "schemas/value.h"

static bool names_sound(const commit_meta_t *m, int64_t prefix)
{
    int64_t last = prefix;
    if (prefix < 0 || m->mark < -1 || m->names_n > COMMIT_NAMES_MAX || m->members_n > COMMIT_NAMES_MAX)
        return false;
    for (uint32_t i = 0; i < m->names_n; i++) {
        if (m->names[i].offset < last || m->names[i].member >= m->members_n)
            return false;
        last = m->names[i].offset;
    }
    for (uint32_t i = 0; i < m->members_n; i++) {
        if (strlen(m->members[i]) > COMMIT_MEMBER_MAX)
            return false;
    }
    return true;
}

static bool has_horizon(const commit_meta_t *m, int64_t prefix)
{
    return m->horizon >= prefix;
}

static uint32_t tail_fields(const commit_meta_t *m, int64_t prefix)
{
    if (m->log > 0)
        return 1 + LOG_FIELDS;
    return has_horizon(m, prefix) ? 1 : 0;
}

static void put_tail(buf_t *b, const commit_meta_t *m, int64_t prefix)
{
    if (has_horizon(m, prefix))
        mp_put_int(b, m->horizon - prefix);
    else if (m->log > 0)
        mp_put_nil(b);
    if (m->log == 0)
        return;
    mp_put_uint(b, m->log);
    mp_put_int(b, m->witness);
    mp_put_int(b, m->witness_ms);
}

static void put_needed(buf_t *b, const commit_meta_t *m, int64_t prefix)
{
    mp_put_array(b, FIELDS + tail_fields(m, prefix));
    mp_put_uint(b, COMMIT_VERSION);
    mp_put_bool(b, m->clean);
    if (m->mark < 0)
        mp_put_nil(b);
    else
        mp_put_int(b, m->mark - prefix);
    mp_put_array(b, m->members_n);
    for (uint32_t i = 0; i < m->members_n; i++)
        mp_put_text(b, m->members[i]);
    mp_put_array(b, m->names_n * NAME_NUMBERS);
    for (uint32_t i = 0; i < m->names_n; i++) {
        mp_put_int(b, m->names[i].offset - (i > 0 ? m->names[i - 1].offset : prefix));
        mp_put_uint(b, m->names[i].member);
    }
}

/* Appends to `body` the counts that `room` bytes hold; returns how many. */
static uint32_t put_counts(buf_t *body, const commit_meta_t *m, int64_t prefix, size_t room)
{
    int64_t last = prefix;
    for (uint32_t i = 0; i < m->counts_n; i++) {
        const commit_count_t *c = &m->counts[i];
        size_t before = body->len;
        if (c->offset < last)
            return i;
        mp_put_int(body, c->offset - last);
        mp_put_uint(body, c->attempts);
        mp_put_uint(body, c->charges);
        if (body->len > room) {
            body->len = before;
            return i;
        }
        last = c->offset;
    }
    return m->counts_n;
}

static uint32_t put_done(buf_t *body, const commit_meta_t *m, int64_t prefix, size_t room)
{
    int64_t last = prefix;
    for (uint32_t i = 0; i < m->done_n; i++) {
        const commit_range_t *range = &m->done[i];
        size_t before = body->len;
        if (range->from < last || range->to <= range->from)
            return i;
        mp_put_int(body, range->from - last);
        mp_put_int(body, range->to - range->from);
        if (body->len > room) {
            body->len = before;
            return i;
        }
        last = range->to;
    }
    return m->done_n;
}

static bool encode_raw(buf_t *raw, buf_t *body, const buf_t *tail, const commit_meta_t *m, int64_t prefix,
                       uint32_t *ret_done_left_out)
{
    size_t raw_max = m->bytes_max > 0 && m->bytes_max < COMMIT_BYTES_MAX ? m->bytes_max / 4 * 3 : RAW_MAX;
    put_needed(raw, m, prefix);
    if (raw->len + ARRAY_HEAD_MAX * 2 + tail->len > raw_max)
        return false;
    raw_max -= tail->len;
    uint32_t counts = put_counts(body, m, prefix, raw_max - raw->len - (size_t)ARRAY_HEAD_MAX * 2);
    mp_put_array(raw, counts * COUNT_NUMBERS);
    buf_append(raw, body->data, body->len);
    buf_clear(body);
    uint32_t done = counts < m->counts_n ? 0 : put_done(body, m, prefix, raw_max - raw->len - ARRAY_HEAD_MAX);
    mp_put_array(raw, done * RANGE_NUMBERS);
    buf_append(raw, body->data, body->len);
    buf_append(raw, tail->data, tail->len);
    *ret_done_left_out = m->done_n - done;
    return !raw->failed && !body->failed && !tail->failed;
}

bool commit_encode(buf_t *b, const commit_meta_t *meta, int64_t prefix, uint32_t *ret_done_left_out)
{
    buf_t raw = {0}, body = {0}, tail = {0};
    uint32_t left_out = 0;
    put_tail(&tail, meta, prefix);
    bool fits = names_sound(meta, prefix) && encode_raw(&raw, &body, &tail, meta, prefix, &left_out);
    if (fits) {
        base64_append(b, raw.data, raw.len);
        fits = !b->failed;
    }
    buf_free(&raw);
    buf_free(&body);
    buf_free(&tail);
    if (fits && ret_done_left_out)
        *ret_done_left_out = left_out;
    return fits;
}
