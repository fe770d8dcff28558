/* Where things go: exact integer forms, so that any language can compute them. Hashes are XXH64. */
#ifndef SCHEMAS_PLACE_H
#define SCHEMAS_PLACE_H

#include <stddef.h>
#include <stdint.h>

/* f(job, i), rule "blocks-1": the items partition of item i. Consecutive items share a partition in blocks whose size
 * grows with i: the largest power of two that is at most clamp(i / (8 P), 1, 256). Small jobs spread, big ones batch.
 * Exactly:
 *
 *     k = min(8, floor(log2(max(1, i div 8P))))          the block size is 2^k
 *     partition = ((XXH64(job, seed 0) + (i >> k)) mod 2^64) mod P
 *
 * Items [2^k * 8P, 2^(k+1) * 8P) make exactly 8P blocks of 2^k, so that each stretch deals every partition the same
 * number of blocks and i >> k, up to a multiple of P, is the number of the block counted from item 0. No table and no
 * sum. */
uint32_t place_item(uint64_t job_hash, uint32_t partitions, uint64_t index);
/* XXH64 of the job id with seed 0. */
uint64_t place_job_hash(const char *job);
/* The results partition of a job: XXH64(job, 1) mod R. */
uint32_t place_results(const char *job, uint32_t partitions);
/* The hash chain over inputs: chain(0) = 0; chain(i + 1) = XXH64(bytes of input i as sent, seed chain(i)). */
uint64_t place_chain(uint64_t chain, const void *in, size_t in_len);
/* What stands for a key of a stream's records where order is kept by key: XXH128, big-endian, seed 0. */
enum { PLACE_KEY_BYTES = 16 };
void place_key(uint8_t *ret, const void *key, size_t key_len);

#endif
