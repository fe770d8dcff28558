/* Messages taken out of librdkafka's queues before anybody wants them, each partition's in their order.
 *
 * A broker answers a fetch as soon as one of its partitions has something, else after fetch.wait.max.ms, and librdkafka (2.0.2)
 * has one fetch under way a broker. It leaves those partitions out whose queue is long enough. So when these are the only
 * ones that have more, the fetch asks for what is not there, and is held back while the long queues run dry: a tenth of a
 * second in which a worker had nothing to do, again and again. Taken out here, what was fetched makes no queue long. How
 * much may lie here is bounded for all partitions of a group together, and no partition has more than its share; only
 * behind that the queues fill.
 *
 * Many are taken in one call: librdkafka looks at the clock, and notes that it was polled, for each call. And a queue that
 * nothing came to is not looked at: a worker of ten tasks has hundreds of them. */
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/prefetch.h"
#include "io/kafka/bus.h"
#include "io/kafka/fetch_nudge.h"
#include "io/kafka/group.h"

enum {
    TAKE_N = 64, /* in one call */
    CAP_MIN = 4 * TAKE_N,
    AHEAD_N_MAX = 32768, /* of the group, ... */
    AHEAD_FETCHES = 16,  /* ... and as many bytes as so many queues may hold */
    SHARES = 4           /* a partition may have this part of either */
};

static bool has_ahead(const kafka_partition_t *partition)
{
    return partition->ahead.at < partition->ahead.n;
}

static size_t bytes_of(const rd_kafka_message_t *message)
{
    return message->len + message->key_len;
}

static bool has_room(const kafka_group_t *group, const kafka_partition_t *partition)
{
    size_t bytes_max = (size_t)group->bus->config.fetch_kbytes * 1024 * AHEAD_FETCHES;
    return group->ahead_n < AHEAD_N_MAX && group->ahead_bytes < bytes_max &&
           partition->ahead.n - partition->ahead.at < AHEAD_N_MAX / SHARES &&
           partition->ahead.bytes < bytes_max / SHARES;
}

/* Room for TAKE_N behind the last one. */
static bool make_room(kafka_ahead_t *ahead)
{
    if (ahead->cap - ahead->n >= TAKE_N)
        return true;
    if (ahead->at >= ahead->cap / 2) {
        if (ahead->n > ahead->at)
            memmove(ahead->messages, ahead->messages + ahead->at, (ahead->n - ahead->at) * sizeof *ahead->messages);
        ahead->n -= ahead->at;
        ahead->at = 0;
    }
    return array_has_room(ahead->messages, ahead->n + TAKE_N - 1, ahead->cap, CAP_MIN);
}

/* False: its queue is empty by now. */
static bool take(kafka_group_t *group, kafka_partition_t *partition)
{
    kafka_ahead_t *ahead = &partition->ahead;
    if (!make_room(ahead) || !kafka_flag_take(&partition->flag))
        return false;
    ssize_t n = rd_kafka_consume_batch_queue(partition->queue, 0, ahead->messages + ahead->n, TAKE_N);
    if (n == TAKE_N)
        kafka_flag_set(&partition->flag);
    for (ssize_t i = 0; i < n; i++) {
        const rd_kafka_message_t *message = ahead->messages[ahead->n++];
        ahead->bytes += bytes_of(message);
        group->ahead_bytes += bytes_of(message);
        group->ahead_n++;
        if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR)
            kafka_fetch_nudge(&partition->nudge, partition->topic, group->rk, message);
    }
    return n == TAKE_N;
}

/* What librdkafka keeps of a message lies around it. */
static void ask_for_next(const kafka_ahead_t *ahead)
{
    enum { AROUND = 2 * PREFETCH_LINE, BYTES = 3 * PREFETCH_LINE };
    size_t far = ahead->at + PREFETCH_AHEAD, near = ahead->at + PREFETCH_AHEAD / 2;
    if (far < ahead->n)
        prefetch((const char *)ahead->messages[far] - AROUND, 2 * AROUND);
    if (near < ahead->n)
        prefetch(ahead->messages[near]->payload, BYTES);
}

static rd_kafka_message_t *take_first(kafka_group_t *group, kafka_partition_t *partition)
{
    ask_for_next(&partition->ahead);
    rd_kafka_message_t *message = partition->ahead.messages[partition->ahead.at++];
    partition->ahead.bytes -= bytes_of(message);
    group->ahead_bytes -= bytes_of(message);
    group->ahead_n--;
    return message;
}

void kafka_ahead_fill(kafka_group_t *group, kafka_partition_t *partition)
{
    while (has_room(group, partition) && take(group, partition))
        ;
}

rd_kafka_message_t *kafka_ahead_next(kafka_group_t *group, kafka_partition_t *partition)
{
    if (!has_ahead(partition))
        (void)take(group, partition); /* also without room: this is wanted */
    return has_ahead(partition) ? take_first(group, partition) : NULL;
}

void kafka_ahead_drop(kafka_group_t *group, kafka_partition_t *partition)
{
    while (has_ahead(partition))
        rd_kafka_message_destroy(take_first(group, partition));
    free(partition->ahead.messages);
    partition->ahead = (kafka_ahead_t){0};
}
