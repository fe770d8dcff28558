/* bus_query_members: how many are in a consumer group, asked by somebody who is not. */
#include <stdlib.h>
#include <string.h>

#include "io/kafka.h"

typedef struct {
    kafka_ask_t ask;
    char *group;
    int64_t n; /* -1: failed */
    void (*fn)(void *arg, int64_t n);
    void *arg;
} members_t;

static int64_t count(rd_kafka_event_t *event)
{
    size_t n;
    const rd_kafka_DescribeConsumerGroups_result_t *result = rd_kafka_event_DescribeConsumerGroups_result(event);
    if (result == NULL || rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return -1;
    const rd_kafka_ConsumerGroupDescription_t **groups = rd_kafka_DescribeConsumerGroups_result_groups(result, &n);
    if (n != 1 || rd_kafka_ConsumerGroupDescription_error(groups[0]) != NULL)
        return -1;
    return (int64_t)rd_kafka_ConsumerGroupDescription_member_count(groups[0]);
}

static void members_run(kafka_ask_t *ask)
{
    members_t *members = (members_t *)ask;
    const char *ids[] = {members->group};
    char text[128];
    rd_kafka_queue_t *queue = rd_kafka_queue_new(ask->rk);
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(ask->rk, RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS);
    (void)rd_kafka_AdminOptions_set_request_timeout(options, KAFKA_ASK_MS, text, sizeof text);
    rd_kafka_DescribeConsumerGroups(ask->rk, ids, 1, options, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, 2 * KAFKA_ASK_MS);
    members->n = event == NULL ? -1 : count(event);
    if (event != NULL)
        rd_kafka_event_destroy(event);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_queue_destroy(queue);
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
