/* bus_query_members: how many are in a consumer group, asked by somebody who is not. */
#include <stdlib.h>
#include <string.h>

#include "io/kafka/kafka.h"

typedef struct {
    kafka_ask_t ask;
    char *group;
    int64_t n; /* -1: failed */
    void (*fn)(void *arg, int64_t n);
    void *arg;
} members_t;

static void members_run(kafka_ask_t *ask)
{
    members_t *members = (members_t *)ask;
    const struct rd_kafka_group_list *list;
    rd_kafka_resp_err_t code;
    const struct rd_kafka_group_info *group = kafka_list_group(ask->rk, members->group, &list, &code);
    members->n = group != NULL ? group->member_cnt : code == RD_KAFKA_RESP_ERR_NO_ERROR ? 0 : -1;
    if (list != NULL)
        rd_kafka_group_list_destroy(list);
}

static void members_free(kafka_ask_t *ask)
{
    free(((members_t *)ask)->group);
    free(ask);
}

static void members_done(kafka_ask_t *ask)
{
    members_t *members = (members_t *)ask;
    members->fn(members->arg, members->n);
    members_free(ask);
}

int kafka_query_members(bus_topic_t *base, const char *group_id, void (*fn)(void *arg, int64_t n), void *arg,
                        fanmap_error_t *err)
{
    kafka_topic_t *topic = (kafka_topic_t *)base;
    members_t *members = calloc(1, sizeof *members);
    if (members == NULL || (members->group = strdup(group_id)) == NULL) {
        free(members);
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    }
    members->ask = (kafka_ask_t){.run = members_run, .done = members_done, .drop = members_free, .of_producer = true};
    members->fn = fn;
    members->arg = arg;
    kafka_ask(topic->bus, &members->ask);
    return FANMAP_OK;
}
