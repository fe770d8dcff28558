/* An item, and the two notes about one, as arrays: version, type, fields. Fields that this version does not know are
 * stepped over. */
#include "schemas/item.h"

#include <stddef.h>
#include <string.h>

enum { ITEM_VERSION = 1 };

enum { ITEM_FIELDS = 5, COPY_FIELDS = 7 };

static void put_item(buf_t *b, uint32_t fields, uint64_t index, const void *in, size_t in_len)
{
    mp_put_array(b, fields);
    mp_put_uint(b, ITEM_VERSION);
    mp_put_uint(b, ITEM_RECORD);
    mp_put_uint(b, 0);
    mp_put_uint(b, index);
    buf_append(b, in, in_len);
}

void item_encode(buf_t *b, uint64_t index, const void *in, size_t in_len)
{
    put_item(b, ITEM_FIELDS, index, in, in_len);
}

void item_encode_copy(buf_t *b, uint64_t index, const void *in, size_t in_len, uint32_t hops, uint32_t attempts)
{
    put_item(b, COPY_FIELDS, index, in, in_len);
    mp_put_uint(b, hops);
    mp_put_uint(b, attempts);
}

enum { NOTE_SHORT = 3, NOTE_DONE = 5, NOTE_RELEASE = 7 }; /* fields, before the log */

void item_encode_note(buf_t *b, const item_t *note)
{
    uint32_t fields = note->type == ITEM_RELEASE_NOTE ? NOTE_RELEASE : note->partition < 0 ? NOTE_SHORT : NOTE_DONE;
    bool has_log = note->log > 0 && fields != NOTE_SHORT;
    mp_put_array(b, has_log ? fields + 1 : fields);
    mp_put_uint(b, ITEM_VERSION);
    mp_put_uint(b, note->type);
    mp_put_int(b, note->done_offset);
    if (fields == NOTE_SHORT)
        return;
    mp_put_int(b, note->partition);
    mp_put_text(b, note->member);
    if (fields == NOTE_RELEASE) {
        mp_put_uint(b, note->attempts);
        mp_put_uint(b, note->charges);
    }
    if (has_log)
        mp_put_uint(b, note->log);
}

static uint32_t read_note(mp_reader_t *r, uint32_t fields, item_t *item)
{
    item->done_offset = mp_read_int(r);
    item->partition = -1;
    r->bad = r->bad || item->done_offset < 0;
    if (item->type == ITEM_DONE_NOTE && fields < NOTE_DONE)
        return NOTE_SHORT;
    int64_t partition = mp_read_int(r);
    item->partition = (int32_t)partition;
    r->bad = r->bad || partition < 0 || partition > INT32_MAX;
    mp_read_text(r, item->member, sizeof item->member);
    uint32_t known = item->type == ITEM_DONE_NOTE ? NOTE_DONE : NOTE_RELEASE;
    if (known == NOTE_RELEASE) {
        item->attempts = mp_read_u32(r);
        item->charges = mp_read_u32(r);
    }
    if (fields == known)
        return known;
    item->log = mp_read_u32(r);
    return known + 1;
}

/* How many fields of the array a type takes; 0: no type that we know. */
static uint32_t read_body(mp_reader_t *r, uint32_t fields, item_t *item)
{
    if (item->type == ITEM_DONE_NOTE || item->type == ITEM_RELEASE_NOTE)
        return read_note(r, fields, item);
    if (item->type != ITEM_RECORD)
        return 0;
    uint64_t lane = mp_read_uint(r);
    item->lane = (uint32_t)lane;
    item->index = mp_read_uint(r);
    item->in = mp_skip(r, &item->in_len);
    r->bad = r->bad || lane > UINT32_MAX;
    if (fields < COPY_FIELDS || mp_peek(r) != MP_UINT)
        return ITEM_FIELDS;
    item->hops = mp_read_u32(r);
    item->attempts = mp_read_u32(r);
    return COPY_FIELDS;
}

bool item_decode(const void *value, size_t len, item_t *ret)
{
    mp_reader_t r;
    item_t item;
    memset(&item, 0, offsetof(item_t, member) + 1);
    mp_reader_init(&r, value, len);
    uint32_t fields = mp_read_array(&r);
    if (mp_read_uint(&r) != ITEM_VERSION)
        return false;
    uint64_t type = mp_read_uint(&r);
    item.type = type >= ITEM_RECORD && type <= ITEM_RELEASE_NOTE ? (item_type_t)type : 0;
    uint32_t known = read_body(&r, fields, &item);
    if (known == 0 || !mp_end_fields(&r, fields, known))
        return false;
    memcpy(ret, &item, item.type == ITEM_RECORD ? offsetof(item_t, member) + 1 : sizeof item);
    return true;
}
