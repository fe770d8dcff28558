/* Reading the metadata of a commit. The arrays are sized by what the bytes can hold: every number takes at least one of at most
 * 3072. */
#include <stdlib.h>
#include <string.h>

#include "schemas/commit_layout.h"
#include "schemas/mp.h"
#include "schemas/value.h"

typedef struct {
    const char **members;
    commit_name_t *names;
    commit_count_t *counts;
    commit_range_t *done;
    char *text;
} arena_t;

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
    if (mp_read_nil_if(r))
        return;
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
        a->names[i].offset = last = mp_read_step(r, last);
        a->names[i].member = mp_read_u32(r);
        r->bad = r->bad || a->names[i].member >= m->members_n;
    }
}

static void read_counts(mp_reader_t *r, int64_t prefix, arena_t *a, commit_meta_t *m)
{
    int64_t last = prefix;
    m->counts_n = read_count(r, COUNT_NUMBERS);
    for (uint32_t i = 0; i < m->counts_n && !r->bad; i++) {
        a->counts[i].offset = last = mp_read_step(r, last);
        a->counts[i].attempts = mp_read_u32(r);
        a->counts[i].charges = mp_read_u32(r);
    }
}

static void read_done(mp_reader_t *r, int64_t prefix, arena_t *a, commit_meta_t *m)
{
    int64_t last = prefix;
    m->done_n = read_count(r, RANGE_NUMBERS);
    for (uint32_t i = 0; i < m->done_n && !r->bad; i++) {
        a->done[i].from = mp_read_step(r, last);
        a->done[i].to = last = mp_read_step(r, a->done[i].from);
        r->bad = r->bad || a->done[i].to == a->done[i].from;
    }
}

/* What may be missing; gives how many fields it was. */
static uint32_t read_tail(mp_reader_t *r, int64_t prefix, uint32_t fields, commit_meta_t *m)
{
    m->horizon = -1;
    if (fields == 0)
        return 0;
    if (mp_peek(r) == MP_UINT)
        m->horizon = mp_read_step(r, prefix);
    else if (!mp_read_nil_if(r))
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
