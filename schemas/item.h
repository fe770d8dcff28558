/* The record of one item on items.<queue>. The Kafka key is the job id. Nothing in it names code: the job's spec names
 * the task, and the worker's operator says what that is. */
#ifndef SCHEMAS_ITEM_H
#define SCHEMAS_ITEM_H

#include "schemas/mp.h"

typedef enum { ITEM_RECORD = 1, ITEM_DONE_NOTE = 2 } item_type_t;

typedef struct {
    item_type_t type;
    uint32_t lane; /* 0 in an ordinary job; a source partition when a topic is the input */
    uint64_t index;
    const uint8_t *in; /* ITEM_RECORD: one msgpack object, borrowed */
    size_t in_len;
    int64_t done_offset; /* ITEM_DONE_NOTE: the claimed offset on this partition that has its outcome */
} item_t;

void item_encode(buf_t *b, uint64_t index, const void *in, size_t in_len);
void item_encode_done_note(buf_t *b, int64_t offset);
/* False: not a sound item. The object in `in` is checked for soundness. */
bool item_decode(const void *value, size_t len, item_t *ret);

#endif
