#include "worker/core/lanes.h"

#include <stdlib.h>

#include "base/array.h"
#include "base/invariant.h"

enum { LANES_FIRST = 8 };

static lane_t *new_lane(lanes_t *queue, const struct worker_part *part)
{
    bool has_room = array_has_room(queue->lanes, queue->lanes_n, queue->lanes_cap, LANES_FIRST);
    lane_t *lane = has_room ? calloc(1, sizeof *lane) : NULL;
    if (lane == NULL)
        return NULL;
    lane->part = part;
    lane->items.sum = &queue->n;
    queue->last = queue->lanes_n++;
    queue->lanes[queue->last] = lane;
    return lane;
}

static lane_t *get_lane(lanes_t *queue, const struct worker_part *part)
{
    if (queue->lanes_n > 0 && queue->lanes[queue->last]->part == part)
        return queue->lanes[queue->last];
    for (uint32_t i = 0; i < queue->lanes_n; i++)
        if (queue->lanes[i]->part == part) {
            queue->last = i;
            return queue->lanes[i];
        }
    return new_lane(queue, part);
}

bool lanes_add(lanes_t *queue, worker_item_t *item)
{
    lane_t *lane = get_lane(queue, item->part);
    if (lane == NULL)
        return false;
    worker_item_t *tail = lane->items.tail, *later = lane->items.head;
    if (tail != NULL && tail->index <= item->index)
        later = NULL;
    while (later != NULL && later->index <= item->index)
        later = later->next;
    item_list_insert(&lane->items, item, later);
    if (lane != queue->current && item->index < queue->bound)
        queue->bound = item->index;
    return true;
}

/* The lane whose head is the lowest, and the lowest of the other heads. */
static void choose(lanes_t *queue)
{
    queue->current = NULL;
    queue->bound = UINT64_MAX;
    for (uint32_t i = 0; i < queue->lanes_n; i++) {
        const worker_item_t *head = queue->lanes[i]->items.head;
        if (head == NULL)
            continue;
        if (queue->current == NULL || head->index < queue->current->items.head->index) {
            queue->bound = queue->current != NULL ? queue->current->items.head->index : UINT64_MAX;
            queue->current = queue->lanes[i];
        } else if (head->index < queue->bound) {
            queue->bound = head->index;
        }
    }
}

worker_item_t *lanes_first(lanes_t *queue)
{
    if (queue->n == 0)
        return NULL;
    const worker_item_t *head = queue->current != NULL ? queue->current->items.head : NULL;
    if (head == NULL || head->index > queue->bound)
        choose(queue);
    invariant(queue->current != NULL && queue->current->items.head != NULL);
    item_prefetch_behind(queue->current->items.head);
    return queue->current->items.head;
}

void lanes_free(lanes_t *queue)
{
    for (uint32_t i = 0; i < queue->lanes_n; i++)
        free(queue->lanes[i]);
    free(queue->lanes);
    *queue = (lanes_t){0};
}
