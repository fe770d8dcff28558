/* The topics of a query: that they are there, or made; those of the namespace as options want them. */
#include "client/admin/query.h"
#include "schemas/topics.h"

typedef struct {
    query_t *query;
    uint32_t partitions_n;
} ensuring_t;

static void on_ensured(void *arg, const uint32_t *partitions_n, const fanmap_error_t *err)
{
    ensuring_t *ensuring = arg;
    if (!err)
        ensuring->partitions_n = partitions_n[0];
    query_answered(ensuring->query, err);
}

uint32_t query_ensure(query_t *query, const bus_topic_config_t *config, bool create)
{
    ensuring_t ensuring = {query, 0};
    if (query->result == FANMAP_OK)
        query->result = bus_ensure_topics(query->f->bus, config, 1, create, on_ensured, &ensuring, query->err);
    query_wait(query, "Kafka");
    bus_forget(query->f->bus, &ensuring);
    if (query->result == FANMAP_OK)
        query->f->is_connected = true; /* the connect timeout is for those who were never answered */
    return ensuring.partitions_n;
}

bus_topic_t *query_open(query_t *query, const char *name, bus_delivered_fn delivered, void *arg)
{
    bus_topic_t *topic = NULL;
    if (query->result == FANMAP_OK)
        query->result = bus_topic_open(query->f->bus, name, delivered, arg, &topic, query->err);
    return topic;
}

bus_topic_t *query_dead(query_t *query)
{
    const fanmap_options_t *o = query->f->options;
    char name[TOPIC_NAME_MAX];
    const bus_topic_config_t config = {name_shared(name, query->f->namespace_name, NAME_DEAD), 1, false,
                                       (int64_t)options_ms(o, OPT_RETENTION), options_record_bytes_max(o)};
    (void)query_ensure(query, &config, options_switch(o, OPT_CREATE_TOPICS));
    return query_open(query, name, NULL, NULL);
}

bus_topic_t *query_logs(query_t *query, uint32_t *ret_partitions_n)
{
    const fanmap_options_t *o = query->f->options;
    char name[TOPIC_NAME_MAX];
    const bus_topic_config_t config = {name_shared(name, query->f->namespace_name, NAME_LOGS),
                                       (uint32_t)options_count(o, OPT_PARTITIONS), false, TOPIC_LOGS_MS,
                                       options_record_bytes_max(o)};
    *ret_partitions_n = query_ensure(query, &config, options_switch(o, OPT_CREATE_TOPICS));
    return query_open(query, name, NULL, NULL);
}
