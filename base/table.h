/* uthash, made safe for a library: as it comes it calls exit() when memory runs out. Include this, never <uthash.h>.
 *
 * After HASH_ADD* look whether the element is in the table: when memory ran out its `hh.tbl` is NULL and the caller
 * still owns it (table_added). Elements of a table are the caller's to free; HASH_DEL only unlinks.
 */
#ifndef BASE_TABLE_H
#define BASE_TABLE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Eight bytes at a time, each mixed in by a multiplication; quick for the short keys that tables here have. */
static inline unsigned table_hash(const void *key, size_t len)
{
    const unsigned char *at = key;
    uint64_t hash = 0x9E3779B97F4A7C15u ^ len;
    for (size_t i = 0; i < len; i += 8) {
        uint64_t word = 0;
        memcpy(&word, at + i, len - i < 8 ? len - i : 8);
        hash = (hash ^ word) * 0xBF58476D1CE4E5B9u;
        hash ^= hash >> 29;
    }
    hash *= 0x94D049BB133111EBu;
    return (unsigned)(hash >> 32);
}

#define HASH_FUNCTION(key, len, ret) ((ret) = table_hash((key), (len)))
#define HASH_NONFATAL_OOM            1
#include <uthash.h>

/* True when the element that was just added is in its table. */
#define table_added(element) ((element)->hh.tbl != NULL)

#endif
