/* A set of uint64 indices that fills up from 0: which outcomes are known, which offsets are done. Memory is two bits or
 * so an index while the set is dense, and next to nothing for the full prefix 0..k-1, whose chunks are given back.
 *
 * Each index far from the others costs a chunk of 4 KiB. Indices from messages are not trusted: the caller refuses
 * those beyond what can be (bitset_chunks says how much is in use). */
#ifndef BASE_BITSET_H
#define BASE_BITSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BITSET_CHUNK_BITS = 32768 };

typedef struct bitset_chunk bitset_chunk_t;

/* Zeroed is empty. */
typedef struct {
    bitset_chunk_t *chunks; /* uthash table by chunk number */
    bitset_chunk_t *recent; /* the chunk used last, or NULL */
    uint64_t prefix, count;
    bool failed;
} bitset_t;

/* Adds an index and returns true when it was not in yet. Out of memory: returns false and sets `failed`, which stays
 * set: the index is then not in the set, and the caller must give up rather than take it for a duplicate. */
bool bitset_set(bitset_t *set, uint64_t index);
bool bitset_test(const bitset_t *set, uint64_t index);
/* The largest k such that all of 0..k-1 are in. */
uint64_t bitset_prefix(const bitset_t *set);
/* Makes 0..k-1 all in, as if set one by one: where a reader or an offset tracker begins. */
void bitset_set_prefix(bitset_t *set, uint64_t k);
/* How many indices are in. */
uint64_t bitset_count(const bitset_t *set);
/* The smallest index >= from that is in (or, with `is_in` false, that is not in) and below `end`; `end` when there is
 * none. Skips missing chunks whole. */
uint64_t bitset_next(const bitset_t *set, uint64_t from, uint64_t end, bool is_in);
/* Chunks of 4 KiB in use. */
size_t bitset_chunks(const bitset_t *set);
void bitset_free(bitset_t *set);

#endif
