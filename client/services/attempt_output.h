/* Where what attempts write goes: the worker's own log, and NS.logs. */
#ifndef CLIENT_SERVICES_ATTEMPT_OUTPUT_H
#define CLIENT_SERVICES_ATTEMPT_OUTPUT_H

#include "client/options/options.h"
#include "client/services/log_topic.h"
#include "worker/shell/shell.h"

/* Zeroed is closed. */
typedef struct {
    attempt_log_t *log; /* NULL: the slots write to the worker's log themselves */
    log_topic_t *topic; /* NULL: --logs off */
} attempt_output_t;

/* config->task_log_fd becomes what the slots write to. */
int attempt_output_open(attempt_output_t *output, loop_t *loop, bus_t *bus, const fanmap_options_t *options,
                        worker_shell_config_t *config, fanmap_log_fn log, void *log_arg, fanmap_error_t *err);
/* Sends what is packed. False: all of it is stored. */
bool attempt_output_flush(attempt_output_t *output);
/* Before the bus. */
void attempt_output_close(attempt_output_t *output);

#endif
