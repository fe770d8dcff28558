#include <string.h>

#include "client/connection/connect.h"
#include "schemas/topics.h"
#include "tokens/presence.h"

int connect_bus(loop_t *loop, const fanmap_options_t *options, uint32_t fetch_kbytes, bool bounds_readers,
                bus_error_fn on_error, bus_log_fn log, void *arg, bus_t **ret, fanmap_error_t *err)
{
    bus_config_t config = {.brokers = options_text(options, OPT_BROKERS),
                           .properties = options_properties(options),
                           .session_ms = (uint32_t)options_ms(options, OPT_SESSION_TIMEOUT),
                           .message_bytes_max =
                               topic_record_bytes_max((uint32_t)option_rule((size_t)OPT_ITEM_MAX.row)->max),
                           .fetch_kbytes = fetch_kbytes,
                           .bounds_readers = bounds_readers,
                           .client_id = "fanmap"};
    if (!config.brokers || !*config.brokers)
        return err_set(err, FANMAP_EUSAGE,
                       "which Kafka? give --brokers HOST:PORT or set FANMAP_BROKERS (map --local needs none)");
    if (!config.properties)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    return bus_open_kafka(loop, &config, on_error, log, arg, ret, err);
}

bool connect_has_redis(const fanmap_options_t *options)
{
    const char *url = options_text(options, OPT_REDIS);
    return url && strcmp(url, "none") != 0;
}

int connect_tokens(loop_t *loop, const fanmap_options_t *options, bus_error_fn on_refused, void *arg,
                   tokens_port_t **ret_tokens, presence_t **ret_presence, fanmap_error_t *err)
{
    redis_port_config_t config = {.url = options_text(options, OPT_REDIS),
                                  .password_file = options_text(options, OPT_REDIS_PASSWORD_FILE),
                                  .name_space = options_text(options, OPT_NAMESPACE),
                                  .connect_timeout_ms = (uint32_t)options_ms(options, OPT_CONNECT_TIMEOUT)};
    if (!connect_has_redis(options))
        return FANMAP_OK;
    int r = redis_port_open(loop, &config, ret_tokens, err);
    if (r == FANMAP_OK)
        r = presence_open(loop, &config, on_refused, arg, ret_presence, err);
    return r;
}

int connect_bus_unanswered(const fanmap_options_t *options, fanmap_error_t *err)
{
    const char *brokers = options_text(options, OPT_BROKERS);
    return err_set_retry(err, FANMAP_EUNREACHABLE,
                         "Kafka at %s: no answer within %s; is it running, and is --brokers (FANMAP_BROKERS) right?",
                         brokers ? brokers : "?", options_text(options, OPT_CONNECT_TIMEOUT));
}

int connect_tokens_unanswered(const fanmap_options_t *options, fanmap_error_t *err)
{
    return err_set_retry(err, FANMAP_EUNREACHABLE,
                         "Redis at %s: no answer within %s; is it running, and is --redis (FANMAP_REDIS) right? "
                         "(--redis none serves only jobs without a limit)",
                         options_text(options, OPT_REDIS), options_text(options, OPT_CONNECT_TIMEOUT));
}
