/* How far the reader of a log is behind. */
#ifndef CLIENT_SERVICES_LOG_LAG_H
#define CLIENT_SERVICES_LOG_LAG_H

#include "io/bus_admin.h"

/* Records of those of `partitions_n` partitions that the group has given us that were not read yet. NULL: none. */
static inline uint64_t log_lag(const bus_group_t *group, uint32_t partitions_n)
{
    uint64_t lag = 0;
    for (uint32_t i = 0; group && i < partitions_n; i++) {
        int64_t position, end;
        if (bus_group_extent(group, (int32_t)i, &position, &end) && end > position)
            lag += (uint64_t)(end - position);
    }
    return lag;
}

#endif
