/* What a group has of each of its topics, and the lanes of its member. */
#ifndef IO_MEMORY_SHARE_H
#define IO_MEMORY_SHARE_H

#include "io/memory/bus.h"

/* The group's member has these topics from now on. Returns false if memory runs out. */
bool memory_group_subscribe(memory_group_t *group, bus_topic_t *const *topics, size_t topics_n);
/* Makes group->lanes anew. Returns false if a topic is still to be created, or memory runs out. */
bool memory_group_list_lanes(memory_group_t *group);
/* NULL: the lane is not the member's. */
memory_group_partition_t *memory_group_partition(const memory_group_t *group, int32_t lane);
memory_group_partition_t *memory_lane_partition(const memory_lane_t *lane);
int32_t memory_lane_number(const memory_lane_t *lane);
/* The lowest committed offset of the groups (0 for one that never committed), or `none` without a group. */
int64_t memory_groups_floor(const memory_topic_t *topic, int32_t partition, int64_t none);
void memory_group_free_shares(memory_group_t *group);

#endif
