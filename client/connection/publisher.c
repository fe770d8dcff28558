#include "client/connection/publisher.h"

#include <utlist.h>

#include "client/connection/client.h"

#define COOKIE_VALUE_MASK ((UINT64_C(1) << COOKIE_VALUE_BITS) - 1)

static publisher_t *publisher_find(const fanmap_t *f, uint64_t number)
{
    publisher_t *publisher = f->publishers;
    while (publisher && publisher->number != number)
        publisher = publisher->next;
    return publisher;
}

/* A number comes again after a million publishers; reports for its first bearer are long here by then. */
static uint32_t free_number(fanmap_t *f)
{
    do
        f->last_publisher = (f->last_publisher + 1) & ((UINT32_C(1) << PUBLISHER_NUMBER_BITS) - 1);
    while (f->last_publisher == 0 || publisher_find(f, f->last_publisher));
    return f->last_publisher;
}

void publisher_open(publisher_t *publisher, fanmap_t *f, publisher_stored_fn stored, void *arg)
{
    *publisher = (publisher_t){f, f->publishers, free_number(f), stored, arg};
    f->publishers = publisher;
}

void publisher_close(publisher_t *publisher)
{
    if (!publisher->f)
        return;
    LL_DELETE(publisher->f->publishers, publisher);
    publisher->f = NULL;
}

int publisher_put(publisher_t *publisher, const queue_t *queue, queue_topic_t topic, int32_t partition, const void *key,
                  size_t key_len, const void *value, size_t value_len, uint64_t cookie, fanmap_error_t *err)
{
    bus_topic_t *const topics[] = {queue->items, queue->results, queue->jobs};
    uint64_t full = ((uint64_t)publisher->number << COOKIE_VALUE_BITS) | (cookie & COOKIE_VALUE_MASK);
    return bus_produce(topics[topic], partition, key, key_len, value, value_len, full, err);
}

void publisher_delivered(void *arg, uint64_t cookie, int32_t partition, int64_t offset, const fanmap_error_t *err)
{
    const publisher_reports_t *reports = arg;
    publisher_t *publisher = publisher_find(reports->f, cookie >> COOKIE_VALUE_BITS);
    if (publisher)
        publisher->stored(publisher->arg, reports->topic, cookie & COOKIE_VALUE_MASK, partition, offset, err);
}
