/* The record of one item on items.<queue>. The Kafka key is the job id. Nothing in it names code: the job's spec names
 * the task, and the worker's operator says what that is. */
#ifndef SCHEMAS_ITEM_H
#define SCHEMAS_ITEM_H

#include "schemas/mp.h"

/* Notes are what a worker tells the owner of a partition about an item of it that it had claimed: it has its outcome
 * (DONE), or the claim is given up and the item is the owner's (RELEASE). */
typedef enum { ITEM_RECORD = 1, ITEM_DONE_NOTE = 2, ITEM_RELEASE_NOTE = 3 } item_type_t;

/* SLACK: what an item may have beyond item_bytes_max: numbers grow in msgpack, 1.5 takes nine bytes. */
enum { ITEM_MEMBER_MAX = 128, ITEM_SLACK_BYTES = 32 * 1024 };

typedef struct {
    item_type_t type;
    uint32_t lane; /* 0 in an ordinary job; a source partition when a topic is the input */
    uint64_t index;
    const uint8_t *in; /* ITEM_RECORD: one msgpack object, borrowed */
    size_t in_len;
    uint32_t hops; /* how often it was copied from worker to worker */
    /* notes */
    int64_t done_offset;              /* the claimed offset */
    int32_t partition;                /* of it; -1: not said */
    uint32_t attempts, charges;       /* ITEM_RELEASE_NOTE: used so far; attempts also of a copy */
    uint32_t log;                     /* whose offset it is (commit.h); 0: not said */
    char member[ITEM_MEMBER_MAX + 1]; /* the last: it is long, and items have none (item_decode) */
} item_t;

void item_encode(buf_t *b, uint64_t index, const void *in, size_t in_len);
/* A copy for another worker. */
void item_encode_copy(buf_t *b, uint64_t index, const void *in, size_t in_len, uint32_t hops, uint32_t attempts);
/* Of a note: type, done_offset, partition, member, attempts, charges and log; without a partition the short form. */
void item_encode_note(buf_t *b, const item_t *note);
/* Returns false if it is not a sound item. The object in `in` is checked for soundness. */
bool item_decode(const void *value, size_t len, item_t *ret);

#endif
