/* Records of the results topic that do not count go to NS.dead as they are, with headers that say where they stood
 * (schemas/README.md). They stay where they are too, and a list never depends on this copy: it is sent once, and who
 * dies before it is stored leaves it to chance. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client/services/aggregator.h"

static void on_delivered(void *arg, uint64_t cookie, int32_t partition, int64_t offset, const fanmap_error_t *err)
{
    fanmap_aggregator_t *a = arg;
    (void)cookie, (void)partition, (void)offset;
    if (err && !a->has_lost_dead)
        aggregator_log(a, FANMAP_LOG_WARNING, "a dead letter was not stored: %s", err->message);
    a->has_lost_dead |= err != NULL;
}

static void on_topic(void *arg, const uint32_t *partitions_n, const fanmap_error_t *err)
{
    fanmap_aggregator_t *a = arg;
    (void)partitions_n;
    if (err)
        client_fail(a->f, err);
    a->has_dead_topic = true;
}

int dead_open(fanmap_aggregator_t *a, fanmap_error_t *err)
{
    char name[TOPIC_NAME_MAX];
    const fanmap_options_t *o = a->options;
    uint32_t bytes = options_record_bytes_max(o);
    name_shared(name, a->f->namespace_name, NAME_DEAD);
    bus_topic_config_t topic = {name, 1, false, (int64_t)options_ms(o, OPT_RETENTION), bytes};
    int r = bus_topic_open(a->f->bus, name, on_delivered, a, &a->dead, err);
    if (r == FANMAP_OK)
        r = bus_ensure_topics(a->f->bus, &topic, 1, options_switch(o, OPT_CREATE_TOPICS), on_topic, a, err);
    return r;
}

void dead_letter(fanmap_aggregator_t *a, const bus_record_t *record)
{
    char topic[TOPIC_NAME_MAX], partition[16], offset[24];
    fanmap_error_t err;
    name_shared(topic, a->f->namespace_name, NAME_RESULTS);
    snprintf(partition, sizeof partition, "%" PRId32, record->partition);
    snprintf(offset, sizeof offset, "%" PRId64, record->offset);
    const char *const pairs[][2] = {{"fanmap.topic", topic},
                                    {"fanmap.partition", partition},
                                    {"fanmap.offset", offset},
                                    {"fanmap.reason", "it is no record of a job's log, or does not count there"},
                                    {"fanmap.stage", "aggregator"}};
    bus_header_t headers[sizeof pairs / sizeof pairs[0]];
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
        headers[i] = (bus_header_t){pairs[i][0], pairs[i][1], strlen(pairs[i][1])};
    if (bus_produce_with(a->dead, 0, record->key, record->key_len, record->value, record->value_len, headers,
                         sizeof pairs / sizeof pairs[0], 0, &err) != FANMAP_OK)
        on_delivered(a, 0, 0, -1, &err);
}
