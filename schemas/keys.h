/* Finds a key that stands twice in one object, for any number of nested objects at once. Inside schemas only.
 *
 * Keys are remembered by where they stand in one growing run of msgpack bytes, and sorted when their object ends, so
 * that an object of n keys costs n log n whoever wrote it. */
#ifndef SCHEMAS_KEYS_H
#define SCHEMAS_KEYS_H

#include "base/buf.h"

typedef struct {
    buf_t places; /* of the keys of every object that is open, outermost first */
} keys_t;

/* Where an object begins: give it back to keys_end. */
size_t keys_begin(const keys_t *keys);
/* The next key: `len` bytes at `offset`. Out of memory: sets keys->places.failed. */
void keys_add(keys_t *keys, size_t offset, size_t len);
/* The object's end: forgets its keys. True when two of them are equal; *ret_offset and *ret_len are then the place of
 * one of them. */
bool keys_end(keys_t *keys, size_t begin, const uint8_t *bytes, size_t *ret_offset, size_t *ret_len);
void keys_free(keys_t *keys);

#endif
