/* Items that are pushed before the producer is there: a job's places are known only once Kafka has told its partitions,
 * and nobody should have to dispatch before a first push. As many wait as the producer itself takes before it may
 * publish, and they come to it in their order as soon as it has begun. */
#include <stdlib.h>
#include <string.h>

#include "client/mapping/mapping.h"

enum { ITEMS_MAX = 1024, BYTES_MAX = 1024 * 1024 };

struct early_item {
    early_item_t *next;
    producer_event_t event;
    char bytes[]; /* of `in` and, with a NUL, of the message */
};

bool early_has_room(const early_t *early)
{
    return early->n < ITEMS_MAX && early->bytes < BYTES_MAX;
}

int early_put(early_t *early, const producer_event_t *event, fanmap_error_t *err)
{
    size_t message_len = event->message ? strlen(event->message) + 1 : 0;
    early_item_t *item = malloc(sizeof *item + event->in_len + message_len);
    if (!item)
        return err_set(err, FANMAP_ENOMEM, "out of memory for an item of %zu bytes", event->in_len);
    *item = (early_item_t){.event = *event};
    if (event->in_len > 0)
        memcpy(item->bytes, event->in, event->in_len);
    item->event.in = (const uint8_t *)item->bytes;
    if (message_len > 0)
        item->event.message = memcpy(item->bytes + event->in_len, event->message, message_len);
    *(early->first ? early->last : &early->first) = item;
    early->last = &item->next;
    early->n++;
    early->bytes += event->in_len + message_len;
    return FANMAP_OK;
}

void early_flush(fanmap_job_t *job)
{
    early_t early = job->mapping->early;
    job->mapping->early = (early_t){0};
    for (early_item_t *item = early.first; item && !map_has_failed(job); item = item->next)
        map_step(job, &item->event);
    early_free(&early);
}

void early_free(early_t *early)
{
    while (early->first) {
        early_item_t *item = early->first;
        early->first = item->next;
        free(item);
    }
    *early = (early_t){0};
}
