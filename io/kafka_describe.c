/* Who is in the group, asked of its coordinator without blocking: the answer comes to the queue of the commits. */
#include <stdlib.h>
#include <string.h>

#include "io/kafka.h"

static void answer(kafka_group_t *group, uint64_t cookie, const char *const *members, size_t n, bool ok)
{
    if (!group->leaving && group->callbacks.described != NULL)
        group->callbacks.described(group->arg, cookie, members, n, ok);
}

void kafka_group_describe(bus_group_t *base, uint64_t cookie)
{
    kafka_group_t *group = (kafka_group_t *)base;
    const char *ids[] = {group->id};
    char reason[128];
    if (group->leaving)
        return;
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(group->rk, RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS);
    if (options == NULL)
        return; /* the caller asks again */
    (void)rd_kafka_AdminOptions_set_request_timeout(options, KAFKA_ASK_MS, reason, sizeof reason);
    rd_kafka_AdminOptions_set_opaque(options, (void *)(uintptr_t)cookie);
    rd_kafka_DescribeConsumerGroups(group->rk, ids, 1, options, group->commit_queue);
    rd_kafka_AdminOptions_destroy(options);
}

static void tell_members(kafka_group_t *group, uint64_t cookie, const rd_kafka_ConsumerGroupDescription_t *described)
{
    size_t n = rd_kafka_ConsumerGroupDescription_member_count(described);
    const char **members = calloc(n + 1, sizeof *members);
    for (size_t i = 0; members != NULL && i < n; i++)
        members[i] = rd_kafka_MemberDescription_consumer_id(rd_kafka_ConsumerGroupDescription_member(described, i));
    answer(group, cookie, members, members != NULL ? n : 0, members != NULL);
    free(members);
}

void kafka_group_described(kafka_group_t *group, rd_kafka_event_t *event)
{
    uint64_t cookie = (uint64_t)(uintptr_t)rd_kafka_event_opaque(event);
    const rd_kafka_DescribeConsumerGroups_result_t *result = rd_kafka_event_DescribeConsumerGroups_result(event);
    size_t n = 0;
    const rd_kafka_ConsumerGroupDescription_t **described =
        result == NULL || rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR
            ? NULL
            : rd_kafka_DescribeConsumerGroups_result_groups(result, &n);
    if (described == NULL || n != 1 || rd_kafka_ConsumerGroupDescription_error(described[0]) != NULL) {
        if (described != NULL && n == 1)
            kafka_error(group->bus, rd_kafka_error_code(rd_kafka_ConsumerGroupDescription_error(described[0])),
                        "the workers' group cannot be described");
        answer(group, cookie, NULL, 0, false);
        return;
    }
    tell_members(group, cookie, described[0]);
}
