/* The topics of a group: what it subscribes to, and which lane of its own a partition of one of them is. */
#include <string.h>

#include "io/kafka/bus.h"
#include "io/kafka/group.h"
#include "io/kafka/topics.h"

kafka_group_t *kafka_group_present(const kafka_bus_t *bus, const kafka_group_t *group)
{
    kafka_group_t *present = bus->groups;
    while (present != NULL && present != group)
        present = present->next;
    return present != NULL && !present->leaving ? present : NULL;
}

kafka_partition_t *kafka_group_find(kafka_group_t *group, int32_t lane)
{
    size_t low = 0, high = group->owned_n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (group->owned[middle].lane < lane)
            low = middle + 1;
        else
            high = middle;
    }
    return low < group->owned_n && group->owned[low].lane == lane ? &group->owned[low] : NULL;
}

int32_t kafka_group_lane(const kafka_group_t *group, const char *topic, int32_t partition)
{
    for (size_t i = 0; partition >= 0 && partition < BUS_TOPIC_LANES && i < group->topics_n; i++)
        if (strcmp(group->topics[i]->name, topic) == 0)
            return BUS_LANE((int32_t)i, partition);
    return -1;
}

int kafka_group_subscribe(kafka_group_t *group, fanmap_error_t *err)
{
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new((int)group->topics_n);
    for (size_t i = 0; i < group->topics_n; i++)
        rd_kafka_topic_partition_list_add(topics, group->topics[i]->name, RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t code = rd_kafka_subscribe(group->rk, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return err_set(err, FANMAP_EUSAGE, "group %s: %s", group->id, rd_kafka_err2str(code));
    return FANMAP_OK;
}
