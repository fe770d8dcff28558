/* Opening and closing the bus, and the table of what it can do. */
#include <stdlib.h>

#include "io/kafka/blocking_call.h"
#include "io/kafka/bus.h"
#include "io/kafka/config.h"
#include "io/kafka/group.h"
#include "io/kafka/lanes.h"
#include "io/kafka/producer.h"
#include "io/kafka/reader.h"
#include "io/kafka/records.h"
#include "io/kafka/remade.h"
#include "io/kafka/requests.h"
#include "io/kafka/topics.h"
#include "io/kafka/writer.h"

static void kafka_close(bus_t *base, int timeout_ms)
{
    kafka_bus_t *bus = (kafka_bus_t *)base;
    kafka_calls_drop(bus);
    kafka_readers_close(bus);
    kafka_groups_close(bus);
    kafka_producer_close(bus);
    kafka_helper_close(bus->helper, timeout_ms);
    loop_timer_free(bus->retry);
    loop_timer_free(bus->remade);
    loop_timer_free(bus->tidy);
    loop_timer_free(bus->aging);
    while (bus->topics != NULL) {
        kafka_topic_t *next = bus->topics->next;
        kafka_lanes_free(bus->topics);
        free(bus->topics);
        bus->topics = next;
    }
    spares_free(&bus->spares);
    kafka_config_free(&bus->config);
    free(bus);
}

static const bus_ops_t KAFKA_OPS = {
    .close = kafka_close,
    .release = kafka_release,
    .ensure_topics = kafka_ensure_topics,
    .topic_open = kafka_topic_open,
    .forget = kafka_forget,
    .produce = kafka_produce,
    .outbox_n = kafka_outbox_n,
    .clock = kafka_clock,
    .flush_soon = kafka_flush_soon,
    .read = kafka_read,
    .reader_hold = kafka_reader_hold,
    .reader_close = kafka_reader_close,
    .reader_told_end = kafka_reader_told_end,
    .partition_at_hand = kafka_partition_at_hand,
    .request = kafka_request,
    .group_join = kafka_group_join,
    .group_commit = kafka_group_commit,
    .group_describe = kafka_group_describe,
    .group_witness = kafka_group_witness,
    .group_commit_now = kafka_group_commit_now,
    .group_hold = kafka_group_hold,
    .group_let_go = kafka_group_let_go,
    .group_want = kafka_group_want,
    .group_want_lane = kafka_group_want_lane,
    .group_extent = kafka_group_extent,
    .group_member = kafka_group_member,
    .group_leave = kafka_group_leave,
};

static int open_parts(kafka_bus_t *bus, fanmap_error_t *err)
{
    int code = loop_timer_new(bus->loop, kafka_calls_resubmit, bus, &bus->retry, err);
    if (code == FANMAP_OK)
        code = loop_timer_new(bus->loop, kafka_remade_look, bus, &bus->remade, err);
    if (code == FANMAP_OK)
        code = loop_timer_new(bus->loop, kafka_fetchers_tidy, bus, &bus->tidy, err);
    if (code == FANMAP_OK)
        code = loop_timer_new(bus->loop, kafka_spares_age, bus, &bus->aging, err);
    if (code == FANMAP_OK)
        kafka_remade_look(bus);
    if (code == FANMAP_OK && (code = kafka_helper_new(bus, &bus->helper, err)) != FANMAP_OK)
        return code;
    return code == FANMAP_OK ? kafka_producer_open(bus, err) : code;
}

int bus_open_kafka(loop_t *loop, const bus_config_t *config, bus_error_fn on_error, bus_log_fn log, void *arg,
                   bus_t **ret, fanmap_error_t *err)
{
    if (config->brokers == NULL || config->brokers[0] == 0)
        return err_set(err, FANMAP_EUSAGE, "no Kafka brokers are named");
    kafka_bus_t *bus = calloc(1, sizeof *bus);
    if (bus == NULL)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    *bus = (kafka_bus_t){.base.ops = &KAFKA_OPS, .loop = loop, .on_error = on_error, .log = log, .arg = arg};
    bus->producer.source.fd = -1;
    bus->needs_nudges = kafka_needs_nudges();
    int code = kafka_config_copy(config, &bus->config, err);
    if (code != FANMAP_OK) {
        free(bus);
        return code;
    }
    code = open_parts(bus, err);
    if (code != FANMAP_OK && bus->helper == NULL) {
        loop_timer_free(bus->retry);
        loop_timer_free(bus->remade);
        loop_timer_free(bus->tidy);
        loop_timer_free(bus->aging);
        kafka_config_free(&bus->config);
        free(bus);
    } else if (code != FANMAP_OK) {
        kafka_close(&bus->base, 1000);
    } else {
        *ret = &bus->base;
    }
    return code;
}
