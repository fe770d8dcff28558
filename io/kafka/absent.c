/* Topics of a group that were deleted. librdkafka says so once and does not look for them again; while some are absent, we
 * do, and subscribe anew when one has come back. */
#include <stdlib.h>
#include <string.h>

#include "io/kafka/blocking_call.h"
#include "io/kafka/bus.h"
#include "io/kafka/group.h"
#include "io/kafka/topics.h"

enum { LOOK_EVERY_MS = 2000 };

typedef struct {
    kafka_call_t call;
    kafka_bus_t *bus;
    const kafka_group_t *group; /* if it still is there */
    char **names;
    size_t names_n, found_n;
} absent_t;

static void absent_run(kafka_call_t *call)
{
    absent_t *absent = (absent_t *)call;
    uint32_t partitions;
    for (size_t i = 0; i < absent->names_n; i++)
        absent->found_n += kafka_look_up(call->rk, absent->names[i], &partitions) == RD_KAFKA_RESP_ERR_NO_ERROR;
}

static void absent_free(kafka_call_t *call)
{
    absent_t *absent = (absent_t *)call;
    for (size_t i = 0; i < absent->names_n; i++)
        free(absent->names[i]);
    free(absent->names);
    free(absent);
}

static void absent_done(kafka_call_t *call)
{
    absent_t *absent = (absent_t *)call;
    kafka_group_t *group = kafka_group_present(absent->bus, absent->group);
    if (group != NULL) {
        bool has_more = absent->found_n > group->found_n;
        group->looks_for_absent = false;
        group->found_n = absent->found_n;
        group->lacks_topics = absent->found_n < group->topics_n;
        if (has_more)
            (void)kafka_group_subscribe(group, NULL);
    }
    absent_free(call);
}

static absent_t *absent_new(kafka_group_t *group)
{
    absent_t *absent = calloc(1, sizeof *absent);
    if (absent == NULL)
        return NULL;
    absent->call = (kafka_call_t){.run = absent_run, .done = absent_done, .drop = absent_free, .of_producer = true};
    absent->bus = group->bus;
    absent->group = group;
    absent->names = calloc(group->topics_n + 1, sizeof *absent->names);
    while (absent->names != NULL && absent->names_n < group->topics_n &&
           (absent->names[absent->names_n] = strdup(group->topics[absent->names_n]->name)) != NULL)
        absent->names_n++;
    return absent;
}

void kafka_absent_look(kafka_group_t *group)
{
    int64_t now = loop_now_ms(group->bus->loop);
    if (!group->lacks_topics || group->looks_for_absent || group->leaving || now < group->absent_ms)
        return;
    group->absent_ms = now + LOOK_EVERY_MS;
    absent_t *absent = absent_new(group);
    if (absent == NULL)
        return;
    group->looks_for_absent = true;
    kafka_call_submit(group->bus, &absent->call);
}

void kafka_absent_heard(kafka_group_t *group)
{
    if (!group->lacks_topics)
        group->found_n = 0;
    group->lacks_topics = true;
}
