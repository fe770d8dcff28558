/* Counting members of a group from its description. */
#ifndef IO_KAFKA_MEMBERS_H
#define IO_KAFKA_MEMBERS_H

#include "io/kafka/kafka.h"

/* partitions_n 0: how many members subscribe to the topic; else how many of its first partitions_n somebody was dealt.
 * -1: the group is not stable now. */
int64_t kafka_count_members(const struct rd_kafka_group_info *group, const char *topic, uint32_t partitions_n);

#endif
