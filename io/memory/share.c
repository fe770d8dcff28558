#include "io/memory/share.h"

#include <stdlib.h>

static memory_share_t *get_share(memory_group_t *group, memory_topic_t *topic)
{
    memory_share_t *share = group->shares;
    while (share != NULL && share->topic != topic)
        share = share->sibling;
    if (share != NULL || (share = calloc(1, sizeof *share)) == NULL)
        return share;
    *share = (memory_share_t){group, topic, topic->shares, group->shares, -1, 0, NULL};
    return topic->shares = group->shares = share;
}

bool memory_group_subscribe(memory_group_t *group, bus_topic_t *const *topics, size_t topics_n)
{
    for (memory_share_t *share = group->shares; share != NULL; share = share->sibling)
        share->place = -1;
    for (size_t i = 0; i < topics_n; i++) {
        memory_share_t *share = get_share(group, ((memory_handle_t *)topics[i])->topic);
        if (share == NULL)
            return false;
        share->place = (int32_t)i;
    }
    return true;
}

memory_group_partition_t *memory_group_partition(const memory_group_t *group, int32_t lane)
{
    if (!group->assigned || lane < 0)
        return NULL;
    const memory_share_t *share = group->shares;
    while (share != NULL && share->place != (int32_t)BUS_LANE_TOPIC(lane))
        share = share->sibling;
    uint32_t partition = (uint32_t)BUS_LANE_PARTITION(lane);
    return share != NULL && partition < share->partitions_n ? &share->partitions[partition] : NULL;
}

memory_group_partition_t *memory_lane_partition(const memory_lane_t *lane)
{
    return &lane->share->partitions[lane->partition];
}

int32_t memory_lane_number(const memory_lane_t *lane)
{
    return BUS_LANE(lane->share->place, (int32_t)lane->partition);
}

static bool know_partitions(memory_share_t *share)
{
    uint32_t n = share->topic->partitions_n;
    if (share->partitions != NULL || n == 0) /* 0: the topic is still to be created */
        return n > 0;
    share->partitions = calloc(n, sizeof *share->partitions);
    if (share->partitions == NULL)
        return false;
    for (uint32_t i = 0; i < n; i++)
        share->partitions[i].committed = -1;
    share->partitions_n = n;
    return true;
}

bool memory_group_list_lanes(memory_group_t *group)
{
    size_t n = 0;
    for (memory_share_t *share = group->shares; share != NULL; share = share->sibling) {
        if (share->place >= 0 && !know_partitions(share))
            return false;
        n += share->place >= 0 ? share->partitions_n : 0;
    }
    memory_lane_t *lanes = calloc(n + 1, sizeof *lanes);
    if (lanes == NULL)
        return false;
    free(group->lanes);
    group->lanes = lanes;
    group->lanes_n = group->turn_from = 0;
    for (memory_share_t *share = group->shares; share != NULL; share = share->sibling)
        for (uint32_t i = 0; share->place >= 0 && i < share->partitions_n; i++)
            lanes[group->lanes_n++] = (memory_lane_t){share, i};
    return true;
}

int64_t memory_groups_floor(const memory_topic_t *topic, int32_t partition, int64_t none)
{
    int64_t floor = none;
    for (const memory_share_t *share = topic->shares; share != NULL; share = share->next) {
        int64_t committed = share->partitions == NULL ? 0 : share->partitions[partition].committed;
        if (committed < floor)
            floor = committed;
    }
    return floor;
}

void memory_group_free_shares(memory_group_t *group)
{
    while (group->shares != NULL) {
        memory_share_t *share = group->shares;
        group->shares = share->sibling;
        for (uint32_t i = 0; i < share->partitions_n; i++)
            free(share->partitions[i].metadata);
        free(share->partitions);
        free(share);
    }
    free(group->lanes);
}
