/* What Kafka alone can do with topics, groups and records: the administrator's part of io/bus.h, whose rules hold here,
 * too. On another bus each of these answers FANMAP_EUSAGE at once.
 */
#ifndef IO_BUS_ADMIN_H
#define IO_BUS_ADMIN_H

#include "io/bus.h"

typedef struct {
    const char *name;
    uint32_t partitions;
    bool has_config; /* false: we may not see it, and what follows is 0 */
    bool compacted;
    int64_t retention_ms;
    uint32_t message_bytes_max;
} bus_topic_state_t;

/* Once; borrowed until it returns. */
typedef void (*bus_survey_fn)(void *arg, const bus_topic_state_t *topics, size_t n, const fanmap_error_t *err);
/* Every topic that we may see and whose name begins with `prefix`, as it is now, sorted. */
int bus_survey(bus_t *bus, const char *prefix, bus_survey_fn fn, void *arg, fanmap_error_t *err);

#endif
