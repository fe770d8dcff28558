#include "schemas/place.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

enum { BLOCK_BITS_MAX = 8 };

uint32_t place_item(uint64_t job_hash, uint32_t partitions, uint64_t index)
{
    if (partitions <= 1)
        return 0;
    uint64_t stretch = (uint64_t)partitions * 8;
    unsigned bits = 0;
    if (index >= stretch << BLOCK_BITS_MAX) /* as nearly all of a large job are */
        bits = BLOCK_BITS_MAX;
    while (bits < BLOCK_BITS_MAX && index >= stretch << (bits + 1))
        bits++;
    return (uint32_t)((job_hash + (index >> bits)) % partitions);
}

uint64_t place_job_hash(const char *job)
{
    return XXH64(job, strlen(job), 0);
}

uint32_t place_results(const char *job, uint32_t partitions)
{
    return partitions <= 1 ? 0 : (uint32_t)(XXH64(job, strlen(job), 1) % partitions);
}

void place_key(uint8_t *ret, const void *key, size_t key_len)
{
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH128(key, key_len, 0));
    memcpy(ret, canonical.digest, PLACE_KEY_BYTES);
}

uint64_t place_chain(uint64_t chain, const void *in, size_t in_len)
{
    return XXH64(in, in_len, chain);
}
