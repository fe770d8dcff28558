#include "schemas/stream_terms.h"

#include <string.h>

#include "schemas/mp_fields.h"

enum { TERMS_FIELDS = 7 };

MP_TABLE(terms_fields, TERMS_FIELDS, MP_U32(stream_terms_t, dead_headers), MP_FLAG(stream_terms_t, to_same_partition),
         MP_FLAG(stream_terms_t, is_at_least_once), MP_U32(stream_terms_t, tombstones),
         MP_FLAG(stream_terms_t, strips_schema), MP_U64(stream_terms_t, max_age_ms), MP_TEXT(stream_terms_t, filter));

void stream_terms_init(stream_terms_t *terms)
{
    *terms = (stream_terms_t){.dead_headers = DEAD_FANMAP};
}

static bool are_same(const stream_terms_t *a, const stream_terms_t *b)
{
    return a->dead_headers == b->dead_headers && a->to_same_partition == b->to_same_partition &&
           a->is_at_least_once == b->is_at_least_once && a->tombstones == b->tombstones &&
           a->strips_schema == b->strips_schema && a->max_age_ms == b->max_age_ms && strcmp(a->filter, b->filter) == 0;
}

bool stream_terms_are_default(const stream_terms_t *terms)
{
    stream_terms_t defaults;
    stream_terms_init(&defaults);
    return are_same(terms, &defaults);
}

void stream_terms_put(buf_t *b, const stream_terms_t *terms)
{
    mp_put_array(b, TERMS_FIELDS);
    mp_put_fields(b, terms_fields, TERMS_FIELDS, terms);
}

void stream_terms_read(mp_reader_t *r, stream_terms_t *ret)
{
    uint32_t fields = mp_read_array(r);
    mp_read_fields(r, terms_fields, TERMS_FIELDS, ret);
    ret->dead_headers &= DEAD_DIALECTS;
    bool is_filter = ret->filter[0] == '\0' || (ret->filter[0] != '=' && strchr(ret->filter, '='));
    r->bad = r->bad || fields < TERMS_FIELDS || ret->tombstones > TOMBSTONES_FAIL || !is_filter;
    mp_skip_fields(r, r->bad ? 0 : fields - TERMS_FIELDS);
}
