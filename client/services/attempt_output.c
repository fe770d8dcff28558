#include "client/services/attempt_output.h"

#include <string.h>

int attempt_output_open(attempt_output_t *output, loop_t *loop, bus_t *bus, const fanmap_options_t *options,
                        worker_shell_config_t *config, fanmap_log_fn log, void *log_arg, fanmap_error_t *err)
{
    bool is_json = strcmp(options_text(options, OPT_LOG_FORMAT), "json") == 0;
    bool has_topic = strcmp(options_text(options, OPT_LOGS), "on") == 0;
    const log_topic_config_t topic = {.name_space = config->name_space,
                                      .worker = config->name,
                                      .partitions = config->partitions,
                                      .record_bytes_max = config->record_bytes_max,
                                      .create = config->create_topics,
                                      .log = log,
                                      .log_arg = log_arg};
    if (!has_topic && (!is_json || config->task_log_fd < 0))
        return FANMAP_OK;
    int r = has_topic ? log_topic_open(loop, bus, &topic, &output->topic, err) : FANMAP_OK;
    if (r == FANMAP_OK)
        r = attempt_log_open(loop, config->task_log_fd, is_json, has_topic ? log_topic_line : NULL, output->topic,
                             &output->log, err);
    if (r == FANMAP_OK)
        config->task_log_fd = attempt_log_fd(output->log);
    return r;
}

bool attempt_output_flush(attempt_output_t *output)
{
    if (!output->topic)
        return false;
    log_topic_flush(output->topic);
    return log_topic_is_busy(output->topic);
}

void attempt_output_close(attempt_output_t *output)
{
    attempt_log_close(output->log);
    log_topic_close(output->topic);
}
