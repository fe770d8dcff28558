/* Where a reader of a list stands, so that it may stop and go on (pure): what it was given, and how far back in the log
 * the first of the outcomes stands that were read and wait to be given. Beside list (what counts) and order (whose turn
 * it is); whoever reads tells it of each record, of each outcome put and of each handed out.
 *
 * Memory: a few KiB; without an order a bit or two an outcome that was given beyond the full prefix. */
#ifndef AGGREGATOR_READING_H
#define AGGREGATOR_READING_H

#include "aggregator/list.h"
#include "base/bitset.h"

enum { READING_STRETCHES_MAX = 64 };

/* A stretch of the log, from here to where the next one begins. */
typedef struct {
    uint32_t mark; /* of its first record */
    int64_t offset;
    uint64_t prefix;  /* list_progress_prefix before that record */
    uint64_t waiting; /* outcomes that stand in it and were not handed out */
} stretch_t;

typedef struct {
    bool is_unordered;
    uint64_t from; /* nothing below it is handed out */
    uint64_t
        number; /* how many were handed out, by all readers that went on from one another; in order: the next index */
    uint64_t skip;       /* without an order: so many of the first to arrive were handed out before */
    bitset_t given;      /* without an order */
    int64_t next_offset; /* of the log */
    stretch_t now;       /* the record that is being read, alone */
    uint64_t waiting;
    uint32_t grain;
    size_t stretches_n;
    stretch_t stretches[READING_STRETCHES_MAX];
} reading_t;

/* Zeroed before it. `position` is what the reader goes on from, NULL: the start. False: no memory. */
bool reading_begin(reading_t *reading, bool is_unordered, const position_t *position);
void reading_free(reading_t *reading);
/* Before list_record. Returns the mark that outcomes of this record are put with (order_mark). */
uint32_t reading_record(reading_t *reading, int64_t offset, const list_t *list);
/* An outcome that list gives out. False: it was handed out before, or is not wanted; it is not put. */
bool reading_accepts(reading_t *reading, uint64_t index);
/* Of one that is missing, in a list that is decided: it was handed out before. */
bool reading_skips(reading_t *reading, uint64_t index);
/* One was handed out that was put with this mark (0: with none, it was missing). False: no memory. */
bool reading_out(reading_t *reading, uint64_t index, uint32_t mark);
/* Where a reader would have to go on. */
void reading_position(const reading_t *reading, const list_t *list, uint64_t job, position_t *ret);

#endif
