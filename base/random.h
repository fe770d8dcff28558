/* A small pseudo-random generator for jitter and simulation: xoshiro256** seeded through splitmix64. The caller seeds
 * it, so that a run can be repeated. Not for secrets, ids or nonces: those come from the system, in io. */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <stdint.h>

typedef struct {
    uint64_t s[4];
} random_t;

/* One step of splitmix64: also a good mixer of a seed with a number. */
static inline uint64_t random_mix(uint64_t *state)
{
    uint64_t z = (*state += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static inline void random_seed(random_t *r, uint64_t seed)
{
    for (int i = 0; i < 4; i++)
        r->s[i] = random_mix(&seed);
}

static inline uint64_t random_rotate(uint64_t x, int k)
{
    return x << k | x >> (64 - k);
}

/* All 64 bits. */
static inline uint64_t random_next(random_t *r)
{
    uint64_t result = random_rotate(r->s[1] * 5, 7) * 9, t = r->s[1] << 17;
    r->s[2] ^= r->s[0];
    r->s[3] ^= r->s[1];
    r->s[1] ^= r->s[2];
    r->s[0] ^= r->s[3];
    r->s[2] ^= t;
    r->s[3] = random_rotate(r->s[3], 45);
    return result;
}

/* Evenly 0..n-1; 0 when n is 0. */
static inline uint64_t random_below(random_t *r, uint64_t n)
{
    if (n == 0)
        return 0;
    uint64_t x, over = -n % n; /* 2^64 mod n */
    do
        x = random_next(r);
    while (x < over);
    return x % n;
}

#endif
