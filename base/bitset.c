/* Chunks of 4 KiB in a hash table by their number. The full prefix has none: a chunk is given back as the prefix
 * leaves it. */
#include "base/bitset.h"

#include <stdlib.h>

#include "base/table.h"

enum { WORD_BITS = 64, CHUNK_WORDS = BITSET_CHUNK_BITS / WORD_BITS };

struct bitset_chunk {
    uint64_t number;
    uint64_t words[CHUNK_WORDS];
    UT_hash_handle hh;
};

static bitset_chunk_t *find(const bitset_t *set, uint64_t number)
{
    if (set->recent && set->recent->number == number)
        return set->recent;
    bitset_chunk_t *chunk = NULL;
    HASH_FIND(hh, set->chunks, &number, sizeof number, chunk);
    return chunk;
}

static bitset_chunk_t *find_or_add(bitset_t *set, uint64_t number)
{
    bitset_chunk_t *chunk = find(set, number);
    if (chunk)
        return chunk;
    chunk = calloc(1, sizeof *chunk);
    if (!chunk)
        return NULL;
    chunk->number = number;
    HASH_ADD(hh, set->chunks, number, sizeof chunk->number, chunk);
    if (!table_added(chunk)) {
        free(chunk);
        return NULL;
    }
    return chunk;
}

static void drop(bitset_t *set, bitset_chunk_t *chunk)
{
    if (set->recent == chunk)
        set->recent = NULL;
    HASH_DEL(set->chunks, chunk);
    free(chunk);
}

/* Moves the prefix over what follows it, giving chunks back as it leaves them. */
static void advance(bitset_t *set)
{
    bitset_chunk_t *chunk;
    while ((chunk = find(set, set->prefix / BITSET_CHUNK_BITS))) {
        uint64_t bit = set->prefix % BITSET_CHUNK_BITS;
        uint64_t clear = ~chunk->words[bit / WORD_BITS] >> (bit % WORD_BITS);
        uint64_t run = clear ? (uint64_t)__builtin_ctzll(clear) : WORD_BITS - bit % WORD_BITS;
        set->prefix += run;
        if (set->prefix % BITSET_CHUNK_BITS == 0 && run > 0)
            drop(set, chunk);
        else if (clear)
            return;
    }
}

bool bitset_set(bitset_t *set, uint64_t index)
{
    if (index < set->prefix)
        return false;
    bitset_chunk_t *chunk = find_or_add(set, index / BITSET_CHUNK_BITS);
    if (!chunk) {
        set->failed = true;
        return false;
    }
    set->recent = chunk;
    uint64_t *word = &chunk->words[index % BITSET_CHUNK_BITS / WORD_BITS];
    uint64_t mask = (uint64_t)1 << (index % WORD_BITS);
    if (*word & mask)
        return false;
    *word |= mask;
    set->count++;
    if (index == set->prefix)
        advance(set);
    return true;
}

bool bitset_test(const bitset_t *set, uint64_t index)
{
    if (index < set->prefix)
        return true;
    const bitset_chunk_t *chunk = find(set, index / BITSET_CHUNK_BITS);
    return chunk && chunk->words[index % BITSET_CHUNK_BITS / WORD_BITS] >> (index % WORD_BITS) & 1;
}

uint64_t bitset_prefix(const bitset_t *set)
{
    return set->prefix;
}

/* Bits of `chunk` that stand for indices in [from, to). */
static uint64_t count_within(const bitset_chunk_t *chunk, uint64_t from, uint64_t to)
{
    uint64_t n = 0, base = chunk->number * BITSET_CHUNK_BITS;
    for (uint64_t w = 0; w < CHUNK_WORDS; w++) {
        uint64_t first = base + w * WORD_BITS, word = chunk->words[w];
        if (first + WORD_BITS <= from || first >= to)
            continue;
        if (first < from)
            word &= ~(uint64_t)0 << (from - first);
        if (to - first < WORD_BITS)
            word &= ((uint64_t)1 << (to - first)) - 1;
        n += (uint64_t)__builtin_popcountll(word);
    }
    return n;
}

void bitset_set_prefix(bitset_t *set, uint64_t k)
{
    if (k <= set->prefix)
        return;
    bitset_chunk_t *chunk, *next;
    uint64_t known = 0, last = k / BITSET_CHUNK_BITS;
    HASH_ITER(hh, set->chunks, chunk, next)
    {
        if (chunk->number > last)
            continue;
        known += count_within(chunk, set->prefix, k);
        if (chunk->number < last)
            drop(set, chunk);
    }
    set->count += k - set->prefix - known;
    set->prefix = k;
    advance(set);
}

uint64_t bitset_count(const bitset_t *set)
{
    return set->count;
}

/* The chunk of the smallest number >= `number`, or NULL. */
static const bitset_chunk_t *find_from(const bitset_t *set, uint64_t number)
{
    const bitset_chunk_t *best = find(set, number);
    if (best)
        return best;
    for (const bitset_chunk_t *c = set->chunks; c; c = c->hh.next) {
        if (c->number > number && (!best || c->number < best->number))
            best = c;
    }
    return best;
}

/* The smallest bit >= `bit` of a chunk that equals is_in, or BITSET_CHUNK_BITS. */
static uint64_t next_bit(const bitset_chunk_t *chunk, uint64_t bit, bool is_in)
{
    while (bit < BITSET_CHUNK_BITS) {
        uint64_t word = chunk->words[bit / WORD_BITS];
        word = (is_in ? word : ~word) >> (bit % WORD_BITS);
        if (word)
            return bit + (uint64_t)__builtin_ctzll(word);
        bit += WORD_BITS - bit % WORD_BITS;
    }
    return bit;
}

uint64_t bitset_next(const bitset_t *set, uint64_t from, uint64_t end, bool is_in)
{
    if (from < set->prefix) {
        if (is_in)
            return from < end ? from : end;
        from = set->prefix;
    }
    while (from < end) {
        uint64_t number = from / BITSET_CHUNK_BITS;
        const bitset_chunk_t *chunk = is_in ? find_from(set, number) : find(set, number);
        if (!chunk)
            return is_in ? end : from;
        uint64_t first = chunk->number * BITSET_CHUNK_BITS;
        uint64_t bit = next_bit(chunk, chunk->number == number ? from % BITSET_CHUNK_BITS : 0, is_in);
        if (bit < BITSET_CHUNK_BITS)
            return first + bit < end ? first + bit : end;
        if (end - first <= BITSET_CHUNK_BITS)
            return end;
        from = first + BITSET_CHUNK_BITS;
    }
    return end;
}

size_t bitset_chunks(const bitset_t *set)
{
    return HASH_COUNT(set->chunks);
}

void bitset_free(bitset_t *set)
{
    bitset_chunk_t *chunk, *next;
    HASH_ITER(hh, set->chunks, chunk, next)
    drop(set, chunk);
    *set = (bitset_t){0};
}
