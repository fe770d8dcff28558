#include "client/admin/held_topic.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

bool held_topic_why(char *ret, size_t cap, const char *name, const bus_topic_state_t *topics, size_t n)
{
    size_t i = 0;
    while (i < n && strcmp(topics[i].name, name) != 0)
        i++;
    if (i == n || (topics[i].in_sync > 0 && (!topics[i].has_config || topics[i].in_sync >= topics[i].in_sync_min)))
        return false;
    if (topics[i].in_sync == 0)
        (void)snprintf(ret, cap, "topic %s has a partition without a leader", name);
    else
        (void)snprintf(ret, cap,
                       "topic %s has a partition with %" PRIu32 " replicas in sync, and its min.insync.replicas is "
                       "%" PRIu32,
                       name, topics[i].in_sync, topics[i].in_sync_min);
    return true;
}

typedef struct {
    query_t *query;
    const char *name;
    char *text;
    size_t cap;
    bool is_held;
} asking_t;

static void on_survey(void *arg, const bus_topic_state_t *topics, size_t n, const fanmap_error_t *err)
{
    asking_t *asking = arg;
    asking->is_held = held_topic_why(asking->text, asking->cap, asking->name, topics, n);
    query_answered(asking->query, err);
}

bool held_topic_ask(query_t *query, const char *name, char *ret, size_t cap)
{
    asking_t asking = {.query = query, .name = name, .cap = cap};
    asking.text = ret;
    if (!name[0] || query->result != FANMAP_OK)
        return false;
    query->result = bus_survey(query->f->bus, name, on_survey, &asking, query->err);
    query_wait(query, "Kafka");
    bus_forget(query->f->bus, &asking);
    query_clear_error(query);
    return asking.is_held;
}
