/* What attempts write goes to NS.logs, and how those ended that did not give a value, in packs by job. The topic is looked
 * up, or made, with the first of it: silent tasks that work cost nothing, nor do jobs that asked for none. What is more than
 * a worker may send in a second, or finds no room, is dropped and counted in the job's next record; nothing waits for it. */
#ifndef CLIENT_SERVICES_LOG_TOPIC_H
#define CLIENT_SERVICES_LOG_TOPIC_H

#include "base/log.h"
#include "client/services/attempt_log.h"
#include "io/bus.h"
#include "schemas/jobs.h"
#include "worker/core/core.h"

typedef struct log_topic log_topic_t;

typedef struct {
    const char *name_space;
    const char *worker;                    /* HOST:PID; borrowed until log_topic_close */
    uint32_t partitions, record_bytes_max; /* of the topic, where it has to be made */
    bool create;
    fanmap_log_fn log;
    void *log_arg;
} log_topic_config_t;

int log_topic_open(loop_t *loop, bus_t *bus, const log_topic_config_t *config, log_topic_t **ret, fanmap_error_t *err);
/* An attempt_line_fn; `topic` is a log_topic_t. */
void log_topic_line(void *topic, const attempt_line_t *line);
/* Type and message are cut to a bound. */
void log_topic_end(log_topic_t *topic, const worker_attempt_t *attempt, const outcome_t *outcome);
/* Every record of the jobs topic: which jobs want no logs. */
void log_topic_heard(log_topic_t *topic, const jobs_record_t *record);
/* Sends what is packed. */
void log_topic_flush(log_topic_t *topic);
/* Something was sent and is not stored yet. */
bool log_topic_is_busy(const log_topic_t *topic);
/* Before the bus. NULL is allowed. */
void log_topic_close(log_topic_t *topic);

#endif
