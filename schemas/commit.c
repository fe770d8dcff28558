/* What a commit says, in msgpack: [1, clean, mark, members, names, counts, done, horizon, log, witness, witness_ms], everything counted from the
 * committed prefix so that most numbers take one or two bytes, then base64.
 *
 *   mark     nil, or mark - prefix
 *   members  [text...]
 *   names    [offset step, member, ...]              a step is from the offset before, the first from the prefix
 *   counts   [offset step, attempts, charges, ...]
 *   done     [gap, length, ...]                      a gap is from the end of the range before, the first from the
 * prefix
 *   horizon  horizon - prefix, or nil
 *   log      the number of the log; it and what follows may be missing
 *
 * Encoding writes what must be there, then as many counts, then as many ranges as fit into what is left. Decoding sizes
 * its arrays by what the bytes can hold: every number takes at least one of at most 3072. */
#include "schemas/commit.h"

#include <stdlib.h>
#include <string.h>

#include "schemas/mp.h"
#include "schemas/value.h"

enum {
    FIELDS = 7,     /* and the horizon, which may be missing, */
    LOG_FIELDS = 3, /* and what tells this log from another */
    RAW_MAX = COMMIT_BYTES_MAX / 4 * 3,
    ARRAY_HEAD_MAX = 3, /* of an array of fewer than 65536 */
    NAME_NUMBERS = 2,
    COUNT_NUMBERS = 3,
    RANGE_NUMBERS = 2
};

/* ---- encoding ---- */

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

/* ---- decoding ---- */

typedef struct {
    const char **members;
    commit_name_t *names;
    commit_count_t *counts;
    commit_range_t *done;
    char *text;
} arena_t;

/* A step of at least 0 from *last on. */
static int64_t read_step(mp_reader_t *r, int64_t *last)
{
    int64_t step = mp_read_int(r);
    if (step < 0 || step > INT64_MAX - *last) {
        r->bad = true;
        return *last;
    }
    *last += step;
    return *last;
}

/* How many records of `numbers` numbers the array that comes next holds. */
static uint32_t read_count(mp_reader_t *r, uint32_t numbers)
{
    uint32_t n = mp_read_array(r);
    r->bad = r->bad || n % numbers != 0;
    return r->bad ? 0 : n / numbers;
}

static void read_mark(mp_reader_t *r, int64_t prefix, commit_meta_t *m)
{
    m->mark = -1;
    if (mp_peek(r) == MP_NIL) {
        mp_read_nil(r);
        return;
    }
    int64_t step = mp_read_int(r);
    if (step > INT64_MAX - prefix || prefix + step < 0)
        r->bad = true;
    else
        m->mark = prefix + step;
}

static void read_members(mp_reader_t *r, arena_t *a, commit_meta_t *m)
{
    m->members_n = read_count(r, 1);
    r->bad = r->bad || m->members_n > COMMIT_NAMES_MAX;
    for (uint32_t i = 0; i < m->members_n && !r->bad; i++) {
        mp_read_text(r, a->text, COMMIT_MEMBER_MAX + 1);
        if (r->bad)
            return;
        a->members[i] = a->text;
        a->text += strlen(a->text) + 1;
    }
}

static void read_names(mp_reader_t *r, int64_t prefix, arena_t *a, commit_meta_t *m)
{
    int64_t last = prefix;
    m->names_n = read_count(r, NAME_NUMBERS);
    r->bad = r->bad || m->names_n > COMMIT_NAMES_MAX;
    for (uint32_t i = 0; i < m->names_n && !r->bad; i++) {
        a->names[i].offset = read_step(r, &last);
        a->names[i].member = mp_read_u32(r);
        r->bad = r->bad || a->names[i].member >= m->members_n;
    }
}

static void read_counts(mp_reader_t *r, int64_t prefix, arena_t *a, commit_meta_t *m)
{
    int64_t last = prefix;
    m->counts_n = read_count(r, COUNT_NUMBERS);
    for (uint32_t i = 0; i < m->counts_n && !r->bad; i++) {
        a->counts[i].offset = read_step(r, &last);
        a->counts[i].attempts = mp_read_u32(r);
        a->counts[i].charges = mp_read_u32(r);
    }
}

static void read_done(mp_reader_t *r, int64_t prefix, arena_t *a, commit_meta_t *m)
{
    int64_t last = prefix;
    m->done_n = read_count(r, RANGE_NUMBERS);
    for (uint32_t i = 0; i < m->done_n && !r->bad; i++) {
        a->done[i].from = read_step(r, &last);
        a->done[i].to = read_step(r, &last);
        r->bad = r->bad || a->done[i].to == a->done[i].from;
    }
}

/* What may be missing; gives how many fields it was. */
static uint32_t read_tail(mp_reader_t *r, int64_t prefix, uint32_t fields, commit_meta_t *m)
{
    int64_t last = prefix;
    m->horizon = -1;
    if (fields == 0)
        return 0;
    if (mp_peek(r) == MP_NIL)
        mp_read_nil(r);
    else if (mp_peek(r) == MP_UINT)
        m->horizon = read_step(r, &last);
    else
        return 0;
    if (fields < 1 + LOG_FIELDS)
        return 1;
    m->log = mp_read_u32(r);
    m->witness = mp_read_int(r);
    m->witness_ms = mp_read_int(r);
    r->bad = r->bad || m->log == 0 || m->witness < -1 || m->witness_ms < -1;
    return 1 + LOG_FIELDS;
}

/* One block for all arrays, of the size that `raw_len` bytes of msgpack can fill at most. */
static void *new_arena(arena_t *a, size_t raw_len)
{
    size_t names = raw_len / NAME_NUMBERS + 1, counts = raw_len / COUNT_NUMBERS + 1, done = raw_len / RANGE_NUMBERS + 1;
    size_t members = COMMIT_NAMES_MAX;
    size_t text = 2 * raw_len + COMMIT_MEMBER_MAX + 1;
    uint8_t *block = malloc(members * sizeof *a->members + names * sizeof *a->names + counts * sizeof *a->counts +
                            done * sizeof *a->done + text);
    if (!block)
        return NULL;
    a->members = (void *)block;
    a->names = (void *)(a->members + members);
    a->counts = (void *)(a->names + names);
    a->done = (void *)(a->counts + counts);
    a->text = (void *)(a->done + done);
    return block;
}

static bool decode_raw(const buf_t *raw, int64_t prefix, arena_t *a, commit_meta_t *m)
{
    mp_reader_t r;
    mp_reader_init(&r, raw->data, raw->len);
    uint32_t fields = mp_read_array(&r);
    if (mp_read_uint(&r) != COMMIT_VERSION || fields < FIELDS)
        return false;
    m->clean = mp_read_bool(&r);
    read_mark(&r, prefix, m);
    read_members(&r, a, m);
    read_names(&r, prefix, a, m);
    read_counts(&r, prefix, a, m);
    read_done(&r, prefix, a, m);
    fields -= read_tail(&r, prefix, fields - FIELDS, m);
    mp_skip_fields(&r, fields - FIELDS);
    m->members = a->members;
    m->names = a->names;
    m->counts = a->counts;
    m->done = a->done;
    return mp_done(&r);
}

bool commit_decode(const char *text, size_t len, int64_t prefix, commit_decoded_t *ret)
{
    buf_t raw = {0};
    arena_t arena = {0};
    commit_decoded_t decoded = {0};
    if (prefix < 0 || len == 0 || len > COMMIT_BYTES_MAX || !base64_decode(&raw, text, len)) {
        buf_free(&raw);
        return false;
    }
    decoded.arena = new_arena(&arena, raw.len);
    bool is_sound = decoded.arena && decode_raw(&raw, prefix, &arena, &decoded.meta);
    buf_free(&raw);
    if (is_sound)
        *ret = decoded;
    else
        free(decoded.arena);
    return is_sound;
}

void commit_decoded_free(commit_decoded_t *decoded)
{
    free(decoded->arena);
    *decoded = (commit_decoded_t){0};
}
