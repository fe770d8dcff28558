/* Inputs that wait until the job is in Kafka, in order, copied (pure). */
#ifndef PRODUCER_QUEUE_H
#define PRODUCER_QUEUE_H

#include "base/buf.h"
#include "fanmap/fanmap.h"

enum { QUEUE_ITEMS_MAX = 1024, QUEUE_BYTES_MAX = 1024 * 1024 };

/* Zeroed is empty. */
typedef struct {
    buf_t bytes;
    size_t head; /* where the first one begins */
    uint64_t n;
} queue_t;

typedef struct {
    fanmap_kind_t kind;
    bool is_outcome;
    const uint8_t *bytes; /* is_outcome: an entry of a pack; FANMAP_VALUE: the item; else the message */
    size_t len;
} queue_item_t;

/* One more is welcome; the last one may go over the bound of bytes. */
bool queue_has_room(const queue_t *queue);
/* False: out of memory. */
bool queue_add(queue_t *queue, const queue_item_t *item);
/* The first one, borrowed until the next call; false: empty. */
bool queue_pop(queue_t *queue, queue_item_t *ret);
void queue_free(queue_t *queue);

#endif
