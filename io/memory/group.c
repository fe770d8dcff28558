/* A group of one member, which owns every partition of its topic. Its commits outlive it, as in Kafka. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/memory/bus.h"

enum { RECORDS_IN_A_ROW = 64 }; /* of one partition, before the next one's */

static memory_group_t *find_group(const memory_topic_t *topic, const char *id)
{
    memory_group_t *group = topic->groups;
    while (group != NULL && strcmp(group->id, id) != 0)
        group = group->next;
    return group;
}

static memory_group_t *get_group(memory_topic_t *topic, const char *id)
{
    memory_group_t *group = find_group(topic, id);
    if (group != NULL || (group = calloc(1, sizeof *group)) == NULL)
        return group;
    memcpy(group->id, id, strlen(id) + 1);
    group->base.bus = &topic->bus->base;
    group->topic = topic;
    group->next = topic->groups;
    topic->groups = group;
    return group;
}

int memory_group_join(bus_topic_t *base, const char *group_id, const bus_group_callbacks_t *callbacks, void *arg,
                      bus_group_t **ret, fanmap_error_t *err)
{
    memory_topic_t *topic = ((memory_handle_t *)base)->topic;
    if (strlen(group_id) > MEMORY_NAME_MAX)
        return err_set(err, FANMAP_EUSAGE, "the group's name is too long");
    memory_group_t *group = get_group(topic, group_id);
    if (group == NULL)
        return err_set(err, FANMAP_ENOMEM, "out of memory for group %s", group_id);
    if (group->joined)
        return err_set(err, FANMAP_EUSAGE, "group %s has its one member already", group_id);
    group->callbacks = *callbacks;
    group->arg = arg;
    group->joined = group->wanted = true;
    group->assigned = group->leaving = group->owes_described = false;
    group->member[0] = 0;
    memory_bus_schedule(topic->bus);
    *ret = &group->base;
    return FANMAP_OK;
}

/* ---- commits ---- */

static bool commit(memory_group_t *group, int32_t partition, int64_t offset, const char *metadata, size_t metadata_len)
{
    if (!group->assigned || partition < 0 || (uint32_t)partition >= group->partitions_n)
        return false;
    memory_group_partition_t *p = &group->partitions[partition];
    char *copy = malloc(metadata_len + 1);
    if (copy == NULL)
        return false;
    if (metadata_len > 0)
        memcpy(copy, metadata, metadata_len);
    free(p->metadata);
    p->metadata = copy;
    p->metadata_len = metadata_len;
    p->committed = offset;
    return true;
}

void memory_group_commit(bus_group_t *base, int32_t partition, int64_t offset, const char *metadata,
                         size_t metadata_len, uint64_t cookie)
{
    memory_group_t *group = (memory_group_t *)base;
    if (!commit(group, partition, offset, metadata, metadata_len))
        return;
    group->partitions[partition].cookie = cookie;
    group->partitions[partition].owes_committed = true;
    memory_bus_schedule(group->topic->bus);
}

bool memory_group_commit_now(bus_group_t *base, int32_t partition, int64_t offset, const char *metadata,
                             size_t metadata_len, int timeout_ms)
{
    (void)timeout_ms;
    return commit((memory_group_t *)base, partition, offset, metadata, metadata_len);
}

static void answer_commits(memory_group_t *group)
{
    for (uint32_t i = 0; group->assigned && i < group->partitions_n; i++) {
        memory_group_partition_t *p = &group->partitions[i];
        if (!p->owes_committed)
            continue;
        p->owes_committed = false;
        if (group->callbacks.committed != NULL)
            group->callbacks.committed(group->arg, (int32_t)i, p->committed, p->cookie, true);
    }
}

/* ---- membership ---- */

void memory_group_describe(bus_group_t *base, uint64_t cookie)
{
    memory_group_t *group = (memory_group_t *)base;
    group->owes_described = true;
    group->described_cookie = cookie;
    memory_bus_schedule(group->topic->bus);
}

static void answer_description(memory_group_t *group)
{
    const char *members[] = {group->member};
    if (!group->owes_described || group->leaving)
        return;
    group->owes_described = false;
    if (group->callbacks.described != NULL)
        group->callbacks.described(group->arg, group->described_cookie, members, group->assigned, true);
}

static bool know_partitions(memory_group_t *group)
{
    uint32_t n = group->topic->partitions_n;
    if (n == 0)
        return false; /* the topic is still to be created */
    if (group->partitions != NULL)
        return true;
    group->partitions = calloc(n, sizeof *group->partitions);
    if (group->partitions == NULL)
        return false;
    for (uint32_t i = 0; i < n; i++)
        group->partitions[i].committed = -1;
    group->partitions_n = n;
    return true;
}

static void announce(memory_group_t *group, int32_t partition)
{
    memory_group_partition_t *p = &group->partitions[partition];
    int64_t low = group->topic->logs[partition].low, committed = p->committed;
    int64_t end = memory_log_end(&group->topic->logs[partition]);
    p->owes_committed = false;
    p->position = committed < low ? low : committed > end ? end : committed;
    const char *metadata = p->metadata == NULL ? "" : p->metadata;
    group->callbacks.assigned(group->arg, partition, committed < 0 ? low : committed, committed >= 0, metadata,
                              p->metadata_len);
    if (committed >= 0 && committed < low && group->callbacks.gap != NULL)
        group->callbacks.gap(group->arg, partition, committed, low);
}

static void assign(memory_group_t *group)
{
    if (!know_partitions(group))
        return;
    group->assigned = true;
    (void)snprintf(group->member, sizeof group->member, "memory-%u", ++group->topic->bus->members);
    for (uint32_t i = 0; i < group->partitions_n && !group->leaving; i++)
        announce(group, (int32_t)i);
    if (!group->leaving && group->callbacks.rebalanced != NULL)
        group->callbacks.rebalanced(group->arg);
}

static void leave(memory_group_t *group)
{
    uint32_t n = group->assigned ? group->partitions_n : 0;
    int32_t *all = n == 0 ? NULL : calloc(n, sizeof *all);
    for (uint32_t i = 0; all != NULL && i < n; i++)
        all[i] = (int32_t)i;
    group->callbacks.revoked(group->arg, all, all == NULL ? 0 : n, false);
    free(all);
    group->joined = group->assigned = group->leaving = false;
}

void memory_group_leave(bus_group_t *base)
{
    memory_group_t *group = (memory_group_t *)base;
    group->leaving = true;
    memory_bus_schedule(group->topic->bus);
}

const char *memory_group_member(bus_group_t *base)
{
    return ((memory_group_t *)base)->member;
}

/* ---- records ---- */

void memory_group_want(bus_group_t *base, bool want)
{
    memory_group_t *group = (memory_group_t *)base;
    group->wanted = want;
    if (want)
        memory_bus_schedule(group->topic->bus);
}

/* Hands out some records of one partition. False: no more in this turn, of any partition. */
static bool run_partition(memory_group_t *group, uint32_t partition, bool *ret_any)
{
    const memory_log_t *log = &group->topic->logs[partition];
    memory_group_partition_t *p = &group->partitions[partition];
    for (int i = 0; i < RECORDS_IN_A_ROW && p->position < memory_log_end(log); i++) {
        if (!group->wanted || group->leaving || !memory_bus_spend(group->topic->bus))
            return false;
        memory_record_t *record = memory_log_at(log, p->position);
        if (record == NULL) {
            p->position++;
            continue;
        }
        bus_record_t view = memory_record_view(record, p->position++);
        record->refs++;
        if (!group->callbacks.record(group->arg, &view))
            memory_record_unref(record);
        *ret_any = true;
    }
    return true;
}

static void run_records(memory_group_t *group)
{
    bool any = true;
    while (any) {
        any = false;
        for (uint32_t i = 0; i < group->partitions_n; i++) {
            uint32_t partition = group->turn_from;
            if (!run_partition(group, partition, &any))
                return;
            group->turn_from = (partition + 1) % group->partitions_n;
        }
    }
}

void memory_groups_run(memory_topic_t *topic)
{
    for (memory_group_t *group = topic->groups; group != NULL; group = group->next) {
        if (group->joined && !group->leaving && !group->assigned)
            assign(group);
        answer_commits(group);
        answer_description(group);
        if (group->leaving)
            leave(group);
        else if (group->assigned && group->wanted)
            run_records(group);
    }
}

int64_t memory_groups_floor(const memory_topic_t *topic, int32_t partition, int64_t none)
{
    int64_t floor = none;
    for (const memory_group_t *group = topic->groups; group != NULL; group = group->next) {
        int64_t committed = group->partitions == NULL ? 0 : group->partitions[partition].committed;
        if (committed < floor)
            floor = committed;
    }
    return floor;
}

void memory_groups_free(memory_topic_t *topic)
{
    while (topic->groups != NULL) {
        memory_group_t *group = topic->groups;
        topic->groups = group->next;
        if (group->leaving)
            group->callbacks.revoked(group->arg, NULL, 0, false);
        for (uint32_t i = 0; i < group->partitions_n; i++)
            free(group->partitions[i].metadata);
        free(group->partitions);
        free(group);
    }
}
