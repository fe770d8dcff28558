/* One flat array of numbers, most of which are small. */
#include "schemas/position.h"

#include <inttypes.h>
#include <stdio.h>

#include "schemas/mp_fields.h"
#include "schemas/place.h"
#include "schemas/value.h"

enum { FIELDS_MIN = 4, FIELDS = 24, LIST_FIELDS = 15, PLACE_FIELDS = 4, STATES = 3 };

#define U64(member) MP_U64(position_list_t, member)
#define I64(member) MP_I64(position_list_t, member)

MP_TABLE(list_fields, LIST_FIELDS, U64(known), U64(failed), U64(retried), U64(cancelled), U64(end), U64(prefix),
         I64(total), U64(input_n), U64(wanted), I64(input_at), I64(closed_by), MP_FLAG(position_list_t, is_halting),
         MP_U32(position_list_t, state), MP_U32(position_list_t, end_reason), U64(decided_n));
MP_TABLE(place_fields, PLACE_FIELDS, MP_I64(position_t, reread_at), MP_U64(position_t, reread_prefix),
         MP_U64(position_t, waiting), MP_I64(position_t, read_to));

uint64_t position_job(const spec_t *spec)
{
    char text[JOB_ID_MAX + 80];
    int len = snprintf(text, sizeof text, "%s %" PRIu32 " %" PRId64 " %" PRId64, spec->job, spec->results_partition,
                       spec->start_offset, spec->submitted_ms);
    return place_chain(0, text, (size_t)len);
}

/* ---- out ---- */

static void put_given(buf_t *b, const position_t *position)
{
    uint64_t last = position->from;
    mp_put_array(b, position->ranges_n * 2);
    for (uint32_t i = 0; i < position->ranges_n; i++) {
        mp_put_uint(b, position->given[i].from - last);
        mp_put_uint(b, position->given[i].n);
        last = position->given[i].from + position->given[i].n;
    }
}

static void put_fields(buf_t *b, const position_t *position)
{
    bool has_place = position->kind != POSITION_COUNT;
    mp_put_array(b, has_place ? FIELDS + 1 : FIELDS_MIN);
    mp_put_uint(b, POSITION_VERSION);
    mp_put_uint(b, (uint64_t)position->kind);
    mp_put_uint(b, position->job);
    mp_put_uint(b, position->from);
    if (!has_place)
        return;
    mp_put_fields(b, place_fields, PLACE_FIELDS, position);
    mp_put_fields(b, list_fields, LIST_FIELDS, &position->list);
    mp_put_text(b, position->input_error);
    put_given(b, position);
}

/* Base64 as it may stand in a URL. */
static void append_for_url(buf_t *b, const buf_t *raw)
{
    size_t at = b->len;
    base64_append(b, raw->data, raw->len);
    while (!b->failed && b->len > at && b->data[b->len - 1] == '=')
        b->len--;
    for (; at < b->len; at++)
        b->data[at] = b->data[at] == '+' ? '-' : b->data[at] == '/' ? '_' : b->data[at];
}

void position_encode(buf_t *b, const position_t *position)
{
    buf_t raw = {0};
    buf_printf(b, "%0*" PRIu64, POSITION_DIGITS, position->number);
    if (position->kind == POSITION_INDEX)
        return;
    put_fields(&raw, position);
    buf_append_text(b, ".");
    append_for_url(b, &raw);
    b->failed |= raw.failed;
    buf_free(&raw);
}

/* ---- in ---- */

static void read_list(mp_reader_t *r, position_list_t *ret)
{
    mp_read_fields(r, list_fields, LIST_FIELDS, ret);
    r->bad |= ret->state >= STATES || ret->end_reason > END_INPUT_ERROR || (ret->state > 0) != (ret->end_reason > 0) ||
              ret->cancelled > ret->failed || ret->failed > ret->known || ret->known > ret->end ||
              ret->end > POSITION_INDEX_MAX || ret->prefix > POSITION_INDEX_MAX || ret->total < -1 ||
              ret->decided_n > POSITION_INDEX_MAX;
}

static void read_given(mp_reader_t *r, position_t *ret)
{
    uint64_t last = ret->from;
    ret->ranges_n = mp_read_array(r) / 2;
    r->bad |= ret->ranges_n > POSITION_RANGES_MAX;
    for (uint32_t i = 0; i < ret->ranges_n && !r->bad; i++) {
        uint64_t gap = mp_read_uint(r), n = mp_read_uint(r);
        r->bad |= gap > POSITION_INDEX_MAX || n == 0 || n > POSITION_INDEX_MAX || last + gap + n > POSITION_INDEX_MAX ||
                  (gap == 0 && i > 0);
        ret->given[i].from = last + gap;
        ret->given[i].n = n;
        last += gap + n;
    }
    uint64_t begin = ret->ranges_n > 0 && ret->given[0].from == ret->from ? ret->from + ret->given[0].n : ret->from;
    r->bad |= last > begin && last - begin > POSITION_SPREAD_MAX;
}

static bool read_fields(const buf_t *raw, position_t *ret)
{
    mp_reader_t r;
    mp_reader_init(&r, raw->data, raw->len);
    uint32_t fields = mp_read_array(&r);
    if (mp_read_uint(&r) != POSITION_VERSION)
        return false;
    uint32_t kind = mp_read_u32(&r);
    ret->kind = (position_kind_t)kind;
    ret->job = mp_read_uint(&r);
    ret->from = mp_read_uint(&r);
    if (kind == POSITION_COUNT)
        return ret->from <= POSITION_INDEX_MAX && mp_end_fields(&r, fields, FIELDS_MIN);
    mp_read_fields(&r, place_fields, PLACE_FIELDS, ret);
    read_list(&r, &ret->list);
    mp_read_text(&r, ret->input_error, sizeof ret->input_error);
    read_given(&r, ret);
    return (kind == POSITION_ARRIVAL || (kind == POSITION_ORDERED && ret->ranges_n == 0)) &&
           ret->from <= POSITION_INDEX_MAX && ret->reread_at >= 0 && ret->reread_at <= ret->read_to &&
           ret->reread_prefix <= ret->list.prefix && mp_end_fields(&r, fields, FIELDS + 1);
}

static bool decode_place(const char *text, size_t len, position_t *ret)
{
    buf_t plain = {0}, raw = {0};
    for (size_t i = 0; i < len; i++)
        buf_append(&plain,
                   text[i] == '-'                     ? "+"
                   : text[i] == '_'                   ? "/"
                   : text[i] == '+' || text[i] == '/' ? "?"
                                                      : text + i,
                   1);
    for (size_t i = len; i % 4 != 0; i++)
        buf_append_text(&plain, "=");
    bool is_sound = !plain.failed && base64_decode(&raw, (const char *)plain.data, plain.len) && read_fields(&raw, ret);
    buf_free(&plain);
    buf_free(&raw);
    return is_sound;
}

bool position_decode(const char *text, size_t len, position_t *ret)
{
    size_t digits = 0;
    *ret = (position_t){.kind = POSITION_INDEX};
    for (; digits < len && text[digits] >= '0' && text[digits] <= '9'; digits++) {
        ret->number = ret->number * 10 + (uint64_t)(text[digits] - '0');
        if (digits >= POSITION_DIGITS || ret->number >= POSITION_INDEX_MAX)
            return false;
    }
    if (digits == 0 || digits == len)
        return digits > 0;
    return text[digits] == '.' && len <= POSITION_TEXT_MAX && decode_place(text + digits + 1, len - digits - 1, ret);
}

bool position_given(const position_t *position, bitset_t *set)
{
    for (uint32_t i = 0; i < position->ranges_n; i++) {
        uint64_t from = position->given[i].from, end = from + position->given[i].n;
        if (from == bitset_prefix(set))
            bitset_set_prefix(set, end);
        for (; from < end && from >= bitset_prefix(set); from++)
            (void)bitset_set(set, from);
    }
    return !set->failed;
}
