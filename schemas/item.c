#include "schemas/item.h"

enum { ITEM_VERSION = 1 };

void item_encode(buf_t *b, uint64_t index, const void *in, size_t in_len)
{
    mp_put_array(b, 5);
    mp_put_uint(b, ITEM_VERSION);
    mp_put_uint(b, ITEM_RECORD);
    mp_put_uint(b, 0);
    mp_put_uint(b, index);
    buf_append(b, in, in_len);
}

void item_encode_done_note(buf_t *b, int64_t offset)
{
    mp_put_array(b, 3);
    mp_put_uint(b, ITEM_VERSION);
    mp_put_uint(b, ITEM_DONE_NOTE);
    mp_put_int(b, offset);
}

/* How many fields of the array a type takes; 0: no type that we know. */
static uint32_t read_body(mp_reader_t *r, item_t *item)
{
    if (item->type == ITEM_DONE_NOTE) {
        item->done_offset = mp_read_int(r);
        r->bad = r->bad || item->done_offset < 0;
        return 3;
    }
    if (item->type != ITEM_RECORD)
        return 0;
    uint64_t lane = mp_read_uint(r);
    item->lane = (uint32_t)lane;
    item->index = mp_read_uint(r);
    item->in = mp_skip(r, &item->in_len);
    r->bad = r->bad || lane > UINT32_MAX;
    return 5;
}

bool item_decode(const void *value, size_t len, item_t *ret)
{
    mp_reader_t r;
    item_t item = {0};
    mp_reader_init(&r, value, len);
    uint32_t fields = mp_read_array(&r);
    if (mp_read_uint(&r) != ITEM_VERSION)
        return false;
    uint64_t type = mp_read_uint(&r);
    item.type = type == ITEM_RECORD || type == ITEM_DONE_NOTE ? (item_type_t)type : 0;
    uint32_t known = read_body(&r, &item);
    if (r.bad || known == 0 || fields < known)
        return false;
    mp_skip_fields(&r, fields - known);
    if (!mp_done(&r))
        return false;
    *ret = item;
    return true;
}
