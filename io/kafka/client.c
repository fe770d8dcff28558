/* A handle can read a partition once, so two fetchers of the same partition are given two handles. A few that nobody reads
 * with stay for the next; beyond that they are destroyed by the helper, which is after what it was asked before with them. */
#include "io/kafka/client.h"

#include <stdlib.h>

#include "io/kafka/blocking_call.h"
#include "io/kafka/bus.h"
#include "io/kafka/config.h"
#include "io/kafka/events.h"
#include "io/kafka/fetcher.h"
#include "io/kafka/topics.h"

enum { IDLE_MAX = 4 };

static bool client_turn(void *arg)
{
    kafka_client_t *client = arg;
    rd_kafka_event_t *event;
    client->in_turn = true;
    while ((event = rd_kafka_queue_poll(client->queue, 0)) != NULL)
        kafka_event(client->bus, event);
    client->in_turn = false;
    return false;
}

static int client_new(kafka_bus_t *bus, kafka_client_t **ret, fanmap_error_t *err)
{
    kafka_client_t *client = calloc(1, sizeof *client);
    if (client == NULL)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    client->bus = bus;
    int code = kafka_source_open(&client->source, bus->loop, client_turn, client, err);
    if (code == FANMAP_OK && (code = kafka_handle_new(bus, KAFKA_READER, NULL, &client->rk, err)) != FANMAP_OK)
        kafka_source_close(&client->source);
    if (code != FANMAP_OK) {
        free(client);
        return code;
    }
    client->queue = rd_kafka_queue_get_main(client->rk);
    kafka_source_feed(&client->source, client->queue);
    client->next = bus->clients;
    bus->clients = client;
    *ret = client;
    return FANMAP_OK;
}

static bool reads(const kafka_client_t *client, const kafka_topic_t *topic, int32_t partition)
{
    for (const kafka_fetcher_t *fetcher = client->bus->fetchers; fetcher != NULL; fetcher = fetcher->next)
        if (fetcher->client == client && kafka_fetches(fetcher, topic, partition))
            return true;
    return false;
}

int kafka_client_get(kafka_bus_t *bus, const kafka_topic_t *topic, int32_t partition, kafka_client_t **ret,
                     fanmap_error_t *err)
{
    for (kafka_client_t *client = bus->clients; client != NULL; client = client->next) {
        if (!reads(client, topic, partition)) {
            *ret = client;
            return FANMAP_OK;
        }
    }
    return client_new(bus, ret, err);
}

static void client_close(kafka_client_t *client)
{
    kafka_client_t **at = &client->bus->clients;
    while (*at != client)
        at = &(*at)->next;
    *at = client->next;
    kafka_source_unfeed(client->queue);
    kafka_source_close(&client->source);
    kafka_destroy_t *destroy = kafka_destroy_new(client->rk, client->queue);
    if (destroy != NULL)
        kafka_destroy_submit(client->bus, destroy);
    free(client);
}

void kafka_client_leave(kafka_client_t *client)
{
    size_t idle_n = 0;
    client->fetchers_n--;
    for (const kafka_client_t *other = client->bus->clients; other != NULL; other = other->next)
        idle_n += other->fetchers_n == 0;
    if (client->fetchers_n == 0 && idle_n > IDLE_MAX && !client->in_turn && !client->must_stay)
        client_close(client);
}

void kafka_clients_close(kafka_bus_t *bus)
{
    while (bus->clients != NULL)
        client_close(bus->clients);
}
