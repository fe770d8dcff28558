/* A group of one member, which owns every partition of its topics. Its commits outlive it, as in Kafka. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/memory/share.h"

enum { RECORDS_IN_A_ROW = 64 }; /* of one lane, before the next one's */

static memory_group_t *get_group(memory_bus_t *bus, const char *id)
{
    memory_group_t *group = bus->groups;
    while (group != NULL && strcmp(group->id, id) != 0)
        group = group->next;
    if (group != NULL || (group = calloc(1, sizeof *group)) == NULL)
        return group;
    memcpy(group->id, id, strlen(id) + 1);
    group->base.bus = &bus->base;
    group->bus = bus;
    group->next = bus->groups;
    bus->groups = group;
    return group;
}

int memory_group_join(bus_topic_t *const *topics, size_t topics_n, const char *group_id,
                      const bus_group_callbacks_t *callbacks, void *arg, bus_group_t **ret, fanmap_error_t *err)
{
    memory_bus_t *bus = ((memory_handle_t *)topics[0])->topic->bus;
    if (strlen(group_id) > MEMORY_NAME_MAX)
        return err_set(err, FANMAP_EUSAGE, "the group's name is too long");
    memory_group_t *group = get_group(bus, group_id);
    if (group != NULL && group->joined)
        return err_set(err, FANMAP_EUSAGE, "group %s has its one member already", group_id);
    if (group == NULL || !memory_group_subscribe(group, topics, topics_n))
        return err_set(err, FANMAP_ENOMEM, "out of memory for group %s", group_id);
    group->callbacks = *callbacks;
    group->arg = arg;
    group->joined = true;
    group->wanted = callbacks->record != NULL;
    group->assigned = group->leaving = group->owes_described = false;
    group->member[0] = 0;
    memory_bus_schedule(bus);
    *ret = &group->base;
    return FANMAP_OK;
}

/* ---- commits ---- */

static bool store_commit(memory_group_t *group, int32_t lane, int64_t offset, const char *metadata, size_t metadata_len)
{
    memory_group_partition_t *p = memory_group_partition(group, lane);
    char *copy = p == NULL ? NULL : malloc(metadata_len + 1);
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

void memory_group_commit(bus_group_t *base, int32_t lane, int64_t offset, const char *metadata, size_t metadata_len,
                         uint64_t cookie)
{
    memory_group_t *group = (memory_group_t *)base;
    if (!store_commit(group, lane, offset, metadata, metadata_len))
        return;
    memory_group_partition_t *p = memory_group_partition(group, lane);
    p->cookie = cookie;
    p->owes_committed = true;
    memory_bus_schedule(group->bus);
}

bool memory_group_commit_now(bus_group_t *base, int32_t lane, int64_t offset, const char *metadata, size_t metadata_len,
                             int timeout_ms)
{
    (void)timeout_ms;
    return store_commit((memory_group_t *)base, lane, offset, metadata, metadata_len);
}

static void answer_commits(memory_group_t *group)
{
    for (size_t i = 0; group->assigned && i < group->lanes_n; i++) {
        memory_group_partition_t *p = memory_lane_partition(&group->lanes[i]);
        if (!p->owes_committed)
            continue;
        p->owes_committed = false;
        if (group->callbacks.committed != NULL)
            group->callbacks.committed(group->arg, memory_lane_number(&group->lanes[i]), p->committed, p->cookie, true);
    }
}

/* ---- membership ---- */

void memory_group_describe(bus_group_t *base, uint64_t cookie)
{
    memory_group_t *group = (memory_group_t *)base;
    group->owes_described = true;
    group->described_cookie = cookie;
    memory_bus_schedule(group->bus);
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

static void announce(memory_group_t *group, const memory_lane_t *lane)
{
    memory_group_partition_t *p = memory_lane_partition(lane);
    const memory_log_t *log = &lane->share->topic->logs[lane->partition];
    int64_t low = log->low, committed = p->committed, end = memory_log_end(log);
    p->owes_committed = false;
    p->position = committed < low ? low : committed > end ? end : committed;
    const char *metadata = p->metadata == NULL ? "" : p->metadata;
    group->callbacks.assigned(group->arg, memory_lane_number(lane), committed < 0 ? low : committed, committed >= 0,
                              metadata, p->metadata_len);
    if (committed >= 0 && committed < low && group->callbacks.gap != NULL)
        group->callbacks.gap(group->arg, memory_lane_number(lane), committed, low);
}

static void assign(memory_group_t *group)
{
    if (!memory_group_list_lanes(group))
        return;
    group->assigned = true;
    (void)snprintf(group->member, sizeof group->member, "memory-%u", ++group->bus->members);
    for (size_t i = 0; i < group->lanes_n && !group->leaving; i++)
        announce(group, &group->lanes[i]);
    if (!group->leaving && group->callbacks.rebalanced != NULL)
        group->callbacks.rebalanced(group->arg);
}

static void leave(memory_group_t *group)
{
    size_t n = group->assigned ? group->lanes_n : 0;
    int32_t *all = n == 0 ? NULL : calloc(n, sizeof *all);
    for (size_t i = 0; all != NULL && i < n; i++)
        all[i] = memory_lane_number(&group->lanes[i]);
    group->callbacks.revoked(group->arg, all, all == NULL ? 0 : n, false);
    free(all);
    group->joined = group->assigned = group->leaving = false;
}

void memory_group_leave(bus_group_t *base)
{
    memory_group_t *group = (memory_group_t *)base;
    group->leaving = true;
    memory_bus_schedule(group->bus);
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
        memory_bus_schedule(group->bus);
}

/* Hands out some records of one lane. Returns false if there is no more in this turn, of any lane. */
static bool run_lane(memory_group_t *group, const memory_lane_t *lane, bool *ret_any)
{
    const memory_log_t *log = &lane->share->topic->logs[lane->partition];
    memory_group_partition_t *p = memory_lane_partition(lane);
    for (int i = 0; i < RECORDS_IN_A_ROW && p->position < memory_log_end(log); i++) {
        if (!group->wanted || group->leaving || !memory_bus_spend(group->bus))
            return false;
        memory_record_t *record = memory_log_at(log, p->position);
        if (record == NULL) {
            p->position++;
            continue;
        }
        bus_record_t view = memory_record_view(record, p->position++);
        view.lane = memory_lane_number(lane);
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
        for (size_t i = 0; i < group->lanes_n; i++) {
            size_t lane = group->turn_from;
            if (!run_lane(group, &group->lanes[lane], &any))
                return;
            group->turn_from = (lane + 1) % group->lanes_n;
        }
    }
}

void memory_groups_run(memory_bus_t *bus)
{
    for (memory_group_t *group = bus->groups; group != NULL; group = group->next) {
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

void memory_groups_free(memory_bus_t *bus)
{
    while (bus->groups != NULL) {
        memory_group_t *group = bus->groups;
        bus->groups = group->next;
        if (group->leaving)
            group->callbacks.revoked(group->arg, NULL, 0, false);
        memory_group_free_shares(group);
        free(group);
    }
    for (memory_topic_t *topic = bus->topics; topic != NULL; topic = topic->next)
        topic->shares = NULL;
}
