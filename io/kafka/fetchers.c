/* Fetchers, and who reads by which. A fetcher is librdkafka's simple consumer of one partition, with a queue of its own.
 *
 * Readers that allow it share a fetcher, and one that nobody reads any more stays for a while. A broker holds a fetch
 * back until something comes or fetch.wait.max.ms is over, and librdkafka has one fetch under way a broker: a partition
 * that is added meanwhile is first asked for when that is over. So what a whole small map takes is decided by whether
 * its log lies where the connection reads already: whoever names a job sees to that (kafka_partition_at_hand).
 *
 * A reader often comes after its first records did, as the report that says where it begins goes another way. The
 * recent messages are kept for that. A reader that was held falls behind in the same way, as the others go on without
 * it. Who is too late even for the recent ones gets a fetcher of its own.
 *
 * What can fail: the topic, or the position (readers are told, the fetcher is of no more use; see reader.c). Unread it
 * is closed for that, and when more comes than nobody should pay for, or others stay in its place. Who joined a fetcher that
 * was there is not told of its end, which may be that of a topic of before, but tries one of its own. So does who waits for
 * a position that the partition does not reach (remade.c).
 */
#include "io/kafka/fetcher.h"

#include <stdlib.h>
#include <string.h>

#include "io/kafka/bus.h"
#include "io/kafka/events.h"
#include "io/kafka/reader.h"
#include "io/kafka/topics.h"

enum {
    JOIN_AHEAD_MAX = 1000, /* records that a reader may have to wait for */
    LINGER_N_MAX = 4,      /* fetchers without a reader, ... */
    LINGER_MS = 10000,     /* ... each for so long */
    LEFT_ALONE_MS = 1000   /* who is read for longer has much to read */
};

bool kafka_fetches(const kafka_fetcher_t *fetcher, const kafka_topic_t *topic, int32_t partition)
{
    return fetcher->partition == partition && strcmp(fetcher->topic->name, topic->name) == 0;
}

/* ---- life ---- */

static void fetcher_close(kafka_fetcher_t *fetcher)
{
    kafka_fetcher_t **at = &fetcher->bus->fetchers;
    while (*at != fetcher && *at != NULL)
        at = &(*at)->next;
    if (*at != NULL)
        *at = fetcher->next;
    kafka_recent_clear(&fetcher->recent);
    if (fetcher->queue != NULL) {
        kafka_source_unfeed(fetcher->queue);
        (void)rd_kafka_consume_stop(fetcher->rkt, fetcher->partition);
        rd_kafka_queue_destroy(fetcher->queue);
    }
    if (fetcher->rkt != NULL)
        rd_kafka_topic_destroy(fetcher->rkt);
    kafka_source_close(&fetcher->source);
    kafka_client_leave(fetcher->client);
    free(fetcher);
}

static bool is_idle(const kafka_fetcher_t *fetcher)
{
    return fetcher->readers == NULL && !fetcher->in_turn;
}

static bool is_spent(const kafka_fetcher_t *fetcher)
{
    return !fetcher->is_shared || fetcher->fault != 0 || fetcher->idle_bytes > KAFKA_IDLE_BYTES;
}

void kafka_fetchers_tidy(void *arg)
{
    kafka_bus_t *bus = arg;
    int64_t now_ms = loop_now_ms(bus->loop), next_ms = INT64_MAX;
    size_t idle_n = 0;
    for (kafka_fetcher_t *fetcher = bus->fetchers, *next; fetcher != NULL; fetcher = next) {
        next = fetcher->next;
        int64_t until_ms = fetcher->idle_ms + LINGER_MS;
        if (!is_idle(fetcher))
            continue;
        if (until_ms <= now_ms || is_spent(fetcher) || ++idle_n > LINGER_N_MAX)
            fetcher_close(fetcher);
        else if (until_ms < next_ms)
            next_ms = until_ms;
    }
    if (next_ms != INT64_MAX)
        loop_timer_at(bus->tidy, next_ms);
}

/* The last reader has gone. The one that was read last is the last to go. */
static void rest(kafka_fetcher_t *fetcher)
{
    kafka_bus_t *bus = fetcher->bus;
    kafka_fetcher_t **at = &bus->fetchers;
    while (*at != fetcher)
        at = &(*at)->next;
    *at = fetcher->next;
    fetcher->next = bus->fetchers;
    bus->fetchers = fetcher;
    fetcher->idle_ms = loop_now_ms(bus->loop);
    fetcher->is_resting = true;
    kafka_fetchers_tidy(bus);
}

static void unlink_peer(kafka_reader_t *reader)
{
    kafka_reader_t **at = &reader->fetcher->readers;
    while (*at != reader)
        at = &(*at)->peer;
    *at = reader->peer;
}

bool kafka_fetcher_sweep(kafka_fetcher_t *fetcher)
{
    for (kafka_reader_t *reader = fetcher->readers, *peer; reader != NULL; reader = peer) {
        peer = reader->peer;
        if (reader->closed) {
            unlink_peer(reader);
            kafka_reader_free(reader);
        }
    }
    if (fetcher->readers != NULL || (fetcher->is_resting && !is_spent(fetcher)))
        return true;
    rest(fetcher);
    return false;
}

static int fetcher_start(kafka_fetcher_t *fetcher, int64_t from, fanmap_error_t *err)
{
    int code = kafka_source_open(&fetcher->source, fetcher->bus->loop, kafka_fetcher_turn, fetcher, err);
    if (code != FANMAP_OK)
        return code;
    fetcher->rkt = rd_kafka_topic_new(fetcher->client->rk, fetcher->topic->name, NULL);
    fetcher->queue = rd_kafka_queue_new(fetcher->client->rk);
    /* Most logs begin at 0: asked for their beginning, librdkafka waits half a second until it knows whom to ask. */
    if (fetcher->rkt == NULL || rd_kafka_consume_start_queue(fetcher->rkt, fetcher->partition,
                                                             from == BUS_BEGIN ? 0 : from, fetcher->queue) != 0)
        return err_set(err, FANMAP_EUSAGE, "topic %s, partition %d: %s", fetcher->topic->name, (int)fetcher->partition,
                       rd_kafka_err2str(rd_kafka_last_error()));
    fetcher->nudge = kafka_nudge_new(fetcher->client->rk);
    kafka_source_feed(&fetcher->source, fetcher->queue);
    return FANMAP_OK;
}

bool kafka_fetcher_begins_later(kafka_fetcher_t *fetcher)
{
    if (fetcher->position != BUS_BEGIN || fetcher->begins_later)
        return false;
    fetcher->begins_later = true;
    (void)rd_kafka_consume_stop(fetcher->rkt, fetcher->partition);
    return rd_kafka_consume_start_queue(fetcher->rkt, fetcher->partition, RD_KAFKA_OFFSET_BEGINNING, fetcher->queue) ==
           0;
}

static int fetcher_new(const kafka_reader_t *reader, int64_t from, kafka_fetcher_t **ret, fanmap_error_t *err)
{
    kafka_bus_t *bus = reader->bus;
    kafka_client_t *client = NULL;
    kafka_fetcher_t *fetcher = calloc(1, sizeof *fetcher);
    int code = fetcher == NULL ? err_set(err, FANMAP_ENOMEM, "out of memory")
                               : kafka_client_get(bus, reader->topic, reader->partition, &client, err);
    if (code != FANMAP_OK) {
        free(fetcher);
        return code;
    }
    *fetcher = (kafka_fetcher_t){.bus = bus,
                                 .next = bus->fetchers,
                                 .client = client,
                                 .topic = reader->topic,
                                 .partition = reader->partition,
                                 .is_shared = reader->callbacks.shares && from >= 0,
                                 .position = from,
                                 .end = -1,
                                 .recent.from = from};
    client->fetchers_n++;
    bus->fetchers = fetcher;
    code = fetcher_start(fetcher, from, err);
    if (code != FANMAP_OK)
        fetcher_close(fetcher);
    else
        *ret = fetcher;
    return code;
}

/* ---- readers ---- */

static void enter(kafka_fetcher_t *fetcher, kafka_reader_t *reader)
{
    if (fetcher->readers == NULL)
        fetcher->read_since_ms = loop_now_ms(fetcher->bus->loop);
    fetcher->idle_bytes = 0;
    fetcher->is_resting = false;
    reader->fetcher = fetcher;
    reader->peer = fetcher->readers;
    fetcher->readers = reader;
    reader->is_late = fetcher->has_late = true;
    kafka_source_again(&fetcher->source);
}

static bool can_join(const kafka_fetcher_t *fetcher, const kafka_reader_t *reader, int64_t from)
{
    return fetcher->is_shared && fetcher->fault == 0 && kafka_fetches(fetcher, reader->topic, reader->partition) &&
           from >= fetcher->recent.from && from <= fetcher->position + JOIN_AHEAD_MAX;
}

int kafka_fetcher_join(kafka_reader_t *reader, int64_t from, fanmap_error_t *err)
{
    kafka_fetcher_t *fetcher = reader->callbacks.shares && from >= 0 ? reader->bus->fetchers : NULL;
    while (fetcher != NULL && !can_join(fetcher, reader, from))
        fetcher = fetcher->next;
    reader->is_guest = fetcher != NULL;
    int code = fetcher != NULL ? FANMAP_OK : fetcher_new(reader, from, &fetcher, err);
    if (code == FANMAP_OK)
        enter(fetcher, reader);
    return code;
}

void kafka_fetcher_split(kafka_reader_t *reader)
{
    kafka_fetcher_t *fetcher = NULL;
    fanmap_error_t err;
    if (fetcher_new(reader, reader->position, &fetcher, &err) != FANMAP_OK) {
        kafka_log(reader->bus, FANMAP_LOG_WARNING, "kafka: reading on: %s", err.message);
        kafka_reader_fault(reader, RD_KAFKA_RESP_ERR__FAIL);
        return;
    }
    unlink_peer(reader);
    reader->is_guest = false;
    enter(fetcher, reader);
}

void kafka_fetcher_leave(kafka_reader_t *reader)
{
    kafka_fetcher_t *fetcher = reader->fetcher;
    reader->closed = true;
    if (!fetcher->in_turn)
        (void)kafka_fetcher_sweep(fetcher);
}

void kafka_fetchers_close(kafka_bus_t *bus)
{
    while (bus->fetchers != NULL)
        fetcher_close(bus->fetchers);
}

int32_t kafka_partition_at_hand(const bus_topic_t *base)
{
    const kafka_topic_t *topic = (const kafka_topic_t *)base;
    int64_t now_ms = loop_now_ms(topic->bus->loop);
    for (const kafka_fetcher_t *fetcher = topic->bus->fetchers; fetcher != NULL; fetcher = fetcher->next)
        if (fetcher->is_shared && fetcher->fault == 0 && fetcher->end >= 0 &&
            strcmp(fetcher->topic->name, topic->name) == 0 &&
            (fetcher->readers == NULL || now_ms - fetcher->read_since_ms < LEFT_ALONE_MS))
            return fetcher->partition;
    return -1;
}
