/* bus_query_members, bus_query_owned: how many of a consumer group subscribe to a topic, and how many of its partitions
 * they were dealt, asked by somebody who is not in it.
 *
 * What a member subscribes to stands in its metadata (the consumer protocol's: int16 version, an array of topics, more),
 * what it was dealt in its assignment (int16 version, an array of a topic and an array of int32 partitions each, more).
 * The broker gives both only while the group is stable; otherwise nothing is known. */
#include <stdlib.h>
#include <string.h>

#include "io/kafka/blocking_call.h"
#include "io/kafka/describe.h"
#include "io/kafka/group.h"
#include "io/kafka/requests.h"
#include "io/kafka/topics.h"

typedef struct {
    kafka_call_t call;
    char *group, *topic;
    uint32_t partitions_n; /* 0: members are counted, else those of them that somebody has */
    int64_t n;             /* -1: failed */
    void (*fn)(void *arg, int64_t n);
    void *arg;
} members_t;

/* Both: -1 where the bytes do not hold it. */
static int64_t take(const uint8_t **at, size_t *left, size_t bytes)
{
    int64_t value = 0;
    if (*left < bytes)
        return -1;
    for (size_t i = 0; i < bytes; i++)
        value = value << 8 | (*at)[i];
    *at += bytes;
    *left -= bytes;
    return value;
}

static bool subscribes(const struct rd_kafka_group_member_info *member, const char *topic)
{
    const uint8_t *at = member->member_metadata;
    size_t left = member->member_metadata_size > 0 ? (size_t)member->member_metadata_size : 0, len = strlen(topic);
    (void)take(&at, &left, 2);
    for (int64_t n = take(&at, &left, 4); n > 0; n--) {
        int64_t size = take(&at, &left, 2);
        if (size < 0 || (size_t)size > left)
            return false;
        if ((size_t)size == len && memcmp(at, topic, len) == 0)
            return true;
        at += size;
        left -= (size_t)size;
    }
    return false;
}

static int64_t owns(const struct rd_kafka_group_member_info *member, const char *topic, uint32_t partitions_n)
{
    const uint8_t *at = member->member_assignment;
    size_t left = member->member_assignment_size > 0 ? (size_t)member->member_assignment_size : 0, len = strlen(topic);
    int64_t owned = 0;
    (void)take(&at, &left, 2);
    for (int64_t n = take(&at, &left, 4); n > 0; n--) {
        int64_t size = take(&at, &left, 2);
        if (size < 0 || (size_t)size > left)
            return owned;
        bool is_it = (size_t)size == len && memcmp(at, topic, len) == 0;
        at += size;
        left -= (size_t)size;
        for (int64_t partitions = take(&at, &left, 4); partitions > 0 && left >= 4; partitions--)
            owned += take(&at, &left, 4) < (int64_t)partitions_n && is_it;
    }
    return owned;
}

static int64_t count(const struct rd_kafka_group_info *group, const char *topic, uint32_t partitions_n)
{
    int64_t n = 0;
    if (group->member_cnt > 0 && strcmp(group->state, "Stable") != 0)
        return -1;
    for (int i = 0; i < group->member_cnt; i++)
        n += partitions_n == 0 ? subscribes(&group->members[i], topic) : owns(&group->members[i], topic, partitions_n);
    return n;
}

static void members_run(kafka_call_t *call)
{
    members_t *members = (members_t *)call;
    const struct rd_kafka_group_list *list;
    rd_kafka_resp_err_t code;
    const struct rd_kafka_group_info *group = kafka_list_group(call->rk, members->group, &list, &code);
    members->n = group != NULL                        ? count(group, members->topic, members->partitions_n)
                 : code == RD_KAFKA_RESP_ERR_NO_ERROR ? 0
                                                      : -1;
    if (list != NULL)
        rd_kafka_group_list_destroy(list);
}

static void members_free(kafka_call_t *call)
{
    members_t *members = (members_t *)call;
    free(members->group);
    free(members->topic);
    free(members);
}

static void members_done(kafka_call_t *call)
{
    members_t *members = (members_t *)call;
    members->fn(members->arg, members->n);
    members_free(call);
}

static int query(kafka_topic_t *topic, const char *group_id, uint32_t partitions_n, void (*fn)(void *arg, int64_t n),
                 void *arg, fanmap_error_t *err)
{
    members_t *members = calloc(1, sizeof *members);
    if (members == NULL)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    members->group = strdup(group_id);
    members->topic = strdup(topic->name);
    if (members->group == NULL || members->topic == NULL) {
        members_free(&members->call);
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    }
    members->call = (kafka_call_t){.run = members_run, .done = members_done, .drop = members_free, .of_producer = true};
    members->partitions_n = partitions_n;
    members->fn = fn;
    members->arg = arg;
    kafka_call_submit(topic->bus, &members->call);
    return FANMAP_OK;
}

int kafka_query_members(bus_topic_t *topic, const char *group_id, void (*fn)(void *arg, int64_t n), void *arg,
                        fanmap_error_t *err)
{
    return query((kafka_topic_t *)topic, group_id, 0, fn, arg, err);
}

int kafka_query_owned(bus_topic_t *topic, const char *group_id, uint32_t n, void (*fn)(void *arg, int64_t owned_n),
                      void *arg, fanmap_error_t *err)
{
    return query((kafka_topic_t *)topic, group_id, n, fn, arg, err);
}
