/* Places of keys, those of the innermost object last. At its end an object's are sorted by their bytes, and equal
 * neighbours are what is looked for. */
#include "schemas/keys.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    size_t offset, len;
} place_t;

enum { FEW = 8 };

size_t keys_begin(const keys_t *keys)
{
    return keys->places.len;
}

void keys_add(keys_t *keys, size_t offset, size_t len)
{
    place_t place = {offset, len};
    buf_append(&keys->places, &place, sizeof place);
}

/* An order, not the alphabet: by length first. */
static int compare(const void *left, const void *right, void *bytes)
{
    const place_t *a = left, *b = right;
    const uint8_t *base = bytes;
    if (a->len != b->len)
        return a->len < b->len ? -1 : 1;
    return a->len == 0 ? 0 : memcmp(base + a->offset, base + b->offset, a->len);
}

static const place_t *find_twin(place_t *places, size_t n, void *bytes)
{
    if (n > FEW)
        qsort_r(places, n, sizeof *places, compare, bytes);
    for (size_t i = 1; i < n; i++) {
        for (size_t k = n > FEW ? i - 1 : 0; k < i; k++) {
            if (compare(&places[i], &places[k], bytes) == 0)
                return places[i].offset > places[k].offset ? &places[i] : &places[k];
        }
    }
    return NULL;
}

bool keys_end(keys_t *keys, size_t begin, const uint8_t *bytes, size_t *ret_offset, size_t *ret_len)
{
    size_t n = (keys->places.len - begin) / sizeof(place_t);
    keys->places.len = begin;
    if (n < 2)
        return false;
    union {
        const uint8_t *in;
        void *out;
    } plain = {.in = bytes}; /* qsort_r hands it back to compare, which only reads */
    const place_t *twin = find_twin((place_t *)(void *)(keys->places.data + begin), n, plain.out);
    if (!twin)
        return false;
    *ret_offset = twin->offset;
    *ret_len = twin->len;
    return true;
}

void keys_free(keys_t *keys)
{
    buf_free(&keys->places);
}
