/* What the broker says of a group's members, in the consumer protocol's own bytes.
 *
 * What a member subscribes to stands in its metadata (int16 version, an array of topics, more), what it was dealt in its
 * assignment (int16 version, an array of a topic and an array of int32 partitions each, more). The broker gives both
 * only while the group is stable; otherwise nothing is known. */
#include "io/kafka/members.h"

#include <string.h>

/* Both: -1 where the bytes do not hold it. */
static int64_t read_number(const uint8_t **at, size_t *left, size_t bytes)
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
    (void)read_number(&at, &left, 2);
    for (int64_t n = read_number(&at, &left, 4); n > 0; n--) {
        int64_t size = read_number(&at, &left, 2);
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
    (void)read_number(&at, &left, 2);
    for (int64_t n = read_number(&at, &left, 4); n > 0; n--) {
        int64_t size = read_number(&at, &left, 2);
        if (size < 0 || (size_t)size > left)
            return owned;
        bool is_it = (size_t)size == len && memcmp(at, topic, len) == 0;
        at += size;
        left -= (size_t)size;
        for (int64_t partitions = read_number(&at, &left, 4); partitions > 0 && left >= 4; partitions--)
            owned += read_number(&at, &left, 4) < (int64_t)partitions_n && is_it;
    }
    return owned;
}

int64_t kafka_count_members(const struct rd_kafka_group_info *group, const char *topic, uint32_t partitions_n)
{
    int64_t n = 0;
    if (group->member_cnt > 0 && strcmp(group->state, "Stable") != 0)
        return -1;
    for (int i = 0; i < group->member_cnt; i++)
        n += partitions_n == 0 ? subscribes(&group->members[i], topic) : owns(&group->members[i], topic, partitions_n);
    return n;
}
