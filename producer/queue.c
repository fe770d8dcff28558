#include "producer/queue.h"

#include <string.h>

#include "base/invariant.h"

typedef struct {
    size_t len;
    fanmap_kind_t kind;
    bool is_outcome;
} head_t;

bool queue_has_room(const queue_t *queue)
{
    return queue->n < QUEUE_ITEMS_MAX && queue->bytes.len - queue->head < QUEUE_BYTES_MAX;
}

static void compact(queue_t *queue)
{
    if (queue->head < queue->bytes.len / 2 || queue->head == 0)
        return;
    buf_consume(&queue->bytes, queue->head);
    queue->head = 0;
}

bool queue_add(queue_t *queue, const queue_item_t *item)
{
    compact(queue);
    head_t head = {.len = item->len, .kind = item->kind, .is_outcome = item->is_outcome};
    if (!buf_reserve(&queue->bytes, sizeof head + item->len))
        return false;
    buf_append(&queue->bytes, &head, sizeof head);
    buf_append(&queue->bytes, item->bytes, item->len);
    queue->n++;
    return true;
}

bool queue_pop(queue_t *queue, queue_item_t *ret)
{
    if (queue->n == 0)
        return false;
    head_t head;
    const uint8_t *from = queue->bytes.data + queue->head;
    memcpy(&head, from, sizeof head);
    *ret =
        (queue_item_t){.kind = head.kind, .is_outcome = head.is_outcome, .bytes = from + sizeof head, .len = head.len};
    queue->head += sizeof head + head.len;
    invariant(queue->head <= queue->bytes.len && (queue->n > 1 || queue->head == queue->bytes.len));
    if (--queue->n == 0) {
        queue->head = 0;
        buf_clear(&queue->bytes);
    }
    return true;
}

void queue_free(queue_t *queue)
{
    buf_free(&queue->bytes);
    *queue = (queue_t){0};
}
