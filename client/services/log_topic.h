/* What attempts write goes to NS.logs, in packs by job. The topic is looked up, or made, with the first line: silent
 * tasks cost nothing. What is more than a worker may send in a second, or finds no room, is dropped and counted in the
 * job's next record; nothing waits for it. */
#ifndef CLIENT_SERVICES_LOG_TOPIC_H
#define CLIENT_SERVICES_LOG_TOPIC_H

#include "base/log.h"
#include "client/services/attempt_log.h"
#include "io/bus.h"

typedef struct log_topic log_topic_t;

typedef struct {
    const char *name_space;
    uint32_t partitions, record_bytes_max; /* of the topic, where it has to be made */
    bool create;
    fanmap_log_fn log;
    void *log_arg;
} log_topic_config_t;

int log_topic_open(loop_t *loop, bus_t *bus, const log_topic_config_t *config, log_topic_t **ret, fanmap_error_t *err);
/* An attempt_line_fn; `topic` is a log_topic_t. */
void log_topic_line(void *topic, const attempt_line_t *line);
/* Sends what is packed. */
void log_topic_flush(log_topic_t *topic);
/* Something was sent and is not stored yet. */
bool log_topic_is_busy(const log_topic_t *topic);
/* Before the bus. NULL is allowed. */
void log_topic_close(log_topic_t *topic);

#endif
