/* What one of several readers has of a list that they divide among them (pure). A part is what an items partition has
 * of the job: blocks of consecutive items, which get longer with the list (schemas/place.h). Who has which part, and
 * keeps the texts, is others' business.
 *
 * A reader hands out what it has in the order of the list, so one number says how far it is in each of its parts; what
 * is kept of a part is the first index that is still to be handed out of it.
 *
 * Memory: 16 bytes a part. */
#ifndef AGGREGATOR_SHARES_H
#define AGGREGATOR_SHARES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "schemas/spec.h"

enum { SHARE_TEXT_MAX = 40 };

typedef struct {
    uint64_t next; /* as it was kept when it came */
    bool is_ours;
} share_part_t;

typedef struct {
    uint64_t job_hash, job; /* of place_item; position_job */
    uint32_t parts_n, ours_n;
    share_part_t *parts;
    uint64_t reached; /* of what is ours everything below it was handed out */
} shares_t;

/* Nothing is ours. False: no memory. */
bool shares_begin(shares_t *shares, const spec_t *spec);
void shares_free(shares_t *shares);

/* The part becomes ours; a number beyond the job's parts says nothing. `text` is what is kept of it, "" nothing yet.
 * False: that is of another job, and the part is not ours. */
bool shares_give(shares_t *shares, uint32_t part, const char *text, size_t len);
void shares_claim_all(shares_t *shares);
bool shares_owns(const shares_t *shares, uint32_t part);
/* All that came is given: reading begins at the index returned. */
uint64_t shares_start(shares_t *shares);
/* To be handed out here. */
bool shares_have(const shares_t *shares, uint64_t index);
/* Of what is ours everything below `index` was handed out. */
void shares_reach(shares_t *shares, uint64_t index);
/* What is to be kept of a part that is ours. */
size_t shares_text(const shares_t *shares, uint32_t part, char ret[SHARE_TEXT_MAX]);
/* What the text of a part says: everything below `n` was handed out. */
bool shares_is_done(const shares_t *shares, const char *text, uint64_t n);

#endif
