#include "schemas/stream_terms.h"

#include <string.h>

enum { TERMS_FIELDS = 7 };

void stream_terms_init(stream_terms_t *terms)
{
    *terms = (stream_terms_t){.dead_headers = DEAD_FANMAP};
}

bool stream_terms_are_same(const stream_terms_t *a, const stream_terms_t *b)
{
    return a->dead_headers == b->dead_headers && a->to_same_partition == b->to_same_partition &&
           a->is_at_least_once == b->is_at_least_once && a->tombstones == b->tombstones &&
           a->strips_schema == b->strips_schema && a->max_age_ms == b->max_age_ms && strcmp(a->filter, b->filter) == 0;
}

bool stream_terms_are_default(const stream_terms_t *terms)
{
    stream_terms_t defaults;
    stream_terms_init(&defaults);
    return stream_terms_are_same(terms, &defaults);
}

void stream_terms_put(buf_t *b, const stream_terms_t *terms)
{
    mp_put_array(b, TERMS_FIELDS);
    mp_put_uint(b, terms->dead_headers);
    mp_put_bool(b, terms->to_same_partition);
    mp_put_bool(b, terms->is_at_least_once);
    mp_put_uint(b, terms->tombstones);
    mp_put_bool(b, terms->strips_schema);
    mp_put_uint(b, terms->max_age_ms);
    mp_put_text(b, terms->filter);
}

void stream_terms_read(mp_reader_t *r, stream_terms_t *ret)
{
    uint32_t fields = mp_read_array(r);
    ret->dead_headers = mp_read_u32(r) & DEAD_DIALECTS;
    ret->to_same_partition = mp_read_bool(r);
    ret->is_at_least_once = mp_read_bool(r);
    uint64_t tombstones = mp_read_uint(r);
    ret->strips_schema = mp_read_bool(r);
    ret->max_age_ms = mp_read_uint(r);
    mp_read_text(r, ret->filter, sizeof ret->filter);
    bool is_filter = ret->filter[0] == '\0' || (ret->filter[0] != '=' && strchr(ret->filter, '='));
    if (r->bad || fields < TERMS_FIELDS || tombstones > TOMBSTONES_FAIL || !is_filter) {
        r->bad = true;
        return;
    }
    ret->tombstones = (stream_tombstones_t)tombstones;
    mp_skip_fields(r, fields - TERMS_FIELDS);
}
