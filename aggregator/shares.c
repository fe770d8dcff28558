#include "aggregator/shares.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "schemas/place.h"
#include "schemas/position.h"

enum { HASH_DIGITS = 16, DIGITS_MAX = 20 };

bool shares_begin(shares_t *shares, const spec_t *spec)
{
    *shares = (shares_t){.job_hash = place_job_hash(spec->job), .job = position_job(spec)};
    shares->parts = calloc(spec->items_partitions, sizeof *shares->parts);
    shares->parts_n = shares->parts ? spec->items_partitions : 0;
    return shares->parts != NULL;
}

void shares_free(shares_t *shares)
{
    free(shares->parts);
    *shares = (shares_t){0};
}

/* The job's number in hexadecimal, ":", the index in decimal. */
static bool read_text(const shares_t *shares, const char *text, size_t len, uint64_t *ret_next)
{
    char hash[HASH_DIGITS + 2];
    (void)snprintf(hash, sizeof hash, "%016" PRIx64 ":", shares->job);
    if (len <= HASH_DIGITS + 1 || len > HASH_DIGITS + 1 + DIGITS_MAX || memcmp(text, hash, HASH_DIGITS + 1) != 0)
        return false;
    uint64_t next = 0;
    for (size_t i = HASH_DIGITS + 1; i < len; i++) {
        if (text[i] < '0' || text[i] > '9' || next > POSITION_INDEX_MAX)
            return false;
        next = next * 10 + (uint64_t)(text[i] - '0');
    }
    *ret_next = next;
    return next <= POSITION_INDEX_MAX;
}

bool shares_give(shares_t *shares, uint32_t part, const char *text, size_t len)
{
    uint64_t next = 0;
    if (part >= shares->parts_n)
        return true;
    if (len > 0 && !read_text(shares, text, len, &next))
        return false;
    shares->ours_n += !shares->parts[part].is_ours;
    shares->parts[part] = (share_part_t){next, true};
    return true;
}

void shares_claim_all(shares_t *shares)
{
    for (uint32_t i = 0; i < shares->parts_n; i++)
        shares->parts[i] = (share_part_t){0};
    shares->ours_n = 0;
    shares->reached = 0;
}

bool shares_owns(const shares_t *shares, uint32_t part)
{
    return part < shares->parts_n && shares->parts[part].is_ours;
}

uint64_t shares_start(shares_t *shares)
{
    uint64_t start = shares->ours_n > 0 ? UINT64_MAX : 0;
    for (uint32_t i = 0; i < shares->parts_n; i++)
        if (shares->parts[i].is_ours && shares->parts[i].next < start)
            start = shares->parts[i].next;
    shares->reached = start;
    return start;
}

bool shares_have(const shares_t *shares, uint64_t index)
{
    uint32_t part = place_item(shares->job_hash, shares->parts_n, index);
    return shares_owns(shares, part) && index >= shares->parts[part].next;
}

void shares_reach(shares_t *shares, uint64_t index)
{
    if (index > shares->reached)
        shares->reached = index;
}

size_t shares_text(const shares_t *shares, uint32_t part, char ret[SHARE_TEXT_MAX])
{
    uint64_t kept = shares->parts[part].next, next = kept > shares->reached ? kept : shares->reached;
    return (size_t)snprintf(ret, SHARE_TEXT_MAX, "%016" PRIx64 ":%" PRIu64, shares->job, next);
}

bool shares_is_done(const shares_t *shares, const char *text, uint64_t n)
{
    uint64_t next = 0;
    size_t len = text ? strlen(text) : 0;
    return (len == 0 || read_text(shares, text, len, &next)) && next >= n;
}
