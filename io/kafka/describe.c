/* Who is in a group. The helper asks with rd_kafka_list_groups, which blocks.
 *
 * Not with rd_kafka_DescribeConsumerGroups, although that does not block: when the coordinator's connection drops as
 * the request is made, librdkafka (2.0.2 and many later ones) frees what the answer still needs, and an assertion ends
 * the process.
 *
 * What can fail: a broker is away. Each is asked which groups it has, so the call then takes its whole bound, and
 * mostly has the group all the same, from the broker that coordinates it; sometimes it has nothing, and the caller asks
 * again. Or the coordinator just moved, and neither broker says that it has the group: a group that no broker names is
 * not known, rather than one without members.
 */
#include <stdlib.h>
#include <string.h>

#include "io/kafka/blocking_call.h"
#include "io/kafka/bus.h"
#include "io/kafka/describe.h"
#include "io/kafka/events.h"
#include "io/kafka/group.h"

typedef struct {
    kafka_call_t call;
    kafka_bus_t *bus;
    const kafka_group_t *group; /* if it still is there ... */
    uint64_t number;            /* ... and asked for this */
    uint64_t cookie;
    char id[256];
    const struct rd_kafka_group_list *list;
    const struct rd_kafka_group_info *info; /* in the list; NULL: not known */
    rd_kafka_resp_err_t code;
} describe_t;

const struct rd_kafka_group_info *kafka_list_group(rd_kafka_t *rk, const char *id,
                                                   const struct rd_kafka_group_list **ret_list,
                                                   rd_kafka_resp_err_t *ret_code)
{
    *ret_list = NULL;
    *ret_code = rd_kafka_list_groups(rk, id, ret_list, KAFKA_CALL_MS);
    for (int i = 0; *ret_list != NULL && i < (*ret_list)->group_cnt; i++) {
        const struct rd_kafka_group_info *group = &(*ret_list)->groups[i];
        if (strcmp(group->group, id) != 0)
            continue;
        *ret_code = group->err; /* another broker's trouble is none */
        return group->err == RD_KAFKA_RESP_ERR_NO_ERROR ? group : NULL;
    }
    return NULL;
}

static void describe_run(kafka_call_t *call)
{
    describe_t *describe = (describe_t *)call;
    describe->info = kafka_list_group(call->rk, describe->id, &describe->list, &describe->code);
}

static void describe_free(kafka_call_t *call)
{
    describe_t *describe = (describe_t *)call;
    if (describe->list != NULL)
        rd_kafka_group_list_destroy(describe->list);
    free(describe);
}

static void report_members(kafka_group_t *group, uint64_t cookie, const struct rd_kafka_group_info *info)
{
    size_t n = info != NULL && info->member_cnt > 0 ? (size_t)info->member_cnt : 0;
    const char **members = calloc(n + 1, sizeof *members);
    for (size_t i = 0; members != NULL && i < n; i++)
        members[i] = info->members[i].member_id;
    bool ok = info != NULL && members != NULL;
    if (group->callbacks.described != NULL)
        group->callbacks.described(group->arg, cookie, members, ok ? n : 0, ok);
    free(members);
}

static void describe_done(kafka_call_t *call)
{
    describe_t *describe = (describe_t *)call;
    kafka_group_t *group = kafka_group_present(describe->bus, describe->group);
    if (group != NULL && group->describing == describe->number) {
        if (kafka_error_class(describe->code) == FANMAP_EREFUSED)
            kafka_error(group->bus, describe->code, "the workers' group cannot be described");
        report_members(group, describe->cookie, describe->info);
    }
    describe_free(call);
}

void kafka_group_describe(bus_group_t *base, uint64_t cookie)
{
    kafka_group_t *group = (kafka_group_t *)base;
    describe_t *describe = group->leaving ? NULL : calloc(1, sizeof *describe);
    if (describe == NULL)
        return; /* the caller asks again */
    describe->call = (kafka_call_t){.run = describe_run, .done = describe_done, .drop = describe_free, .rk = group->rk};
    describe->bus = group->bus;
    describe->group = group;
    describe->number = group->describing = ++group->bus->call_number;
    describe->cookie = cookie;
    memcpy(describe->id, group->id, sizeof describe->id);
    kafka_call_submit(group->bus, &describe->call);
}
