#include "client/admin/held_topic.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/duration.h"

bool held_topic_why(char *ret, size_t cap, const char *name, const bus_topic_state_t *topics, size_t n)
{
    size_t i = 0;
    while (i < n && strcmp(topics[i].name, name) != 0)
        i++;
    if (i == n) {
        (void)snprintf(ret, cap, "topic %s does not exist, or nobody here may see it", name);
        return true;
    }
    if (topics[i].in_sync > 0 && (!topics[i].has_config || topics[i].in_sync >= topics[i].in_sync_min))
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

/* The same for what it loses while nobody hands it out. */
static bool why_it_forgets(char *ret, size_t cap, const char *name, const bus_topic_state_t *topics, size_t n)
{
    char text[DURATION_TEXT_MAX];
    size_t i = 0;
    while (i < n && strcmp(topics[i].name, name) != 0)
        i++;
    if (i == n || !topics[i].has_config || (topics[i].retention_ms < 0 && !topics[i].compacted))
        return false;
    if (topics[i].compacted)
        (void)snprintf(ret, cap, "outcomes wait in %s, which is compacted and loses them (cleanup.policy=delete)",
                       name);
    else
        (void)snprintf(ret, cap, "outcomes wait in %s, which loses them after %s (retention.ms=-1)", name,
                       duration_format(text, sizeof text, topics[i].retention_ms));
    return true;
}

typedef bool (*why_fn)(char *ret, size_t cap, const char *name, const bus_topic_state_t *topics, size_t n);

typedef struct {
    query_t *query;
    why_fn why;
    const char *name;
    char *text;
    size_t cap;
    bool is_so;
} asking_t;

static void on_survey(void *arg, const bus_topic_state_t *topics, size_t n, const fanmap_error_t *err)
{
    asking_t *asking = arg;
    asking->is_so = !err && asking->why(asking->text, asking->cap, asking->name, topics, n);
    query_answered(asking->query, err);
}

static bool ask(query_t *query, why_fn why, const char *name, char *ret, size_t cap)
{
    asking_t asking = {.query = query, .why = why, .name = name, .cap = cap};
    asking.text = ret;
    if (!name[0] || query->result != FANMAP_OK)
        return false;
    query->result = bus_survey(query->f->bus, name, on_survey, &asking, query->err);
    query_wait(query, "Kafka");
    bus_forget(query->f->bus, &asking);
    query_clear_error(query);
    return asking.is_so;
}

bool held_topic_ask(query_t *query, const char *name, char *ret, size_t cap)
{
    return ask(query, held_topic_why, name, ret, cap);
}

bool held_topic_forgets(query_t *query, const char *name, char *ret, size_t cap)
{
    return ask(query, why_it_forgets, name, ret, cap);
}
