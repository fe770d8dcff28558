/* Opens what a connection and a worker stand on, as the options say. */
#ifndef CLIENT_CONNECTION_CONNECT_H
#define CLIENT_CONNECTION_CONNECT_H

#include "client/options/options.h"
#include "io/bus.h"
#include "tokens/port.h"

struct presence;

/* `on_error` gets the connection's errors; `fetch_kbytes`, `bounds_readers`: as in bus_config_t. */
int connect_bus(loop_t *loop, const fanmap_options_t *options, uint32_t fetch_kbytes, bool bounds_readers,
                bus_error_fn on_error, bus_log_fn log, void *arg, bus_t **ret, fanmap_error_t *err);
/* False: --redis none. */
bool connect_has_redis(const fanmap_options_t *options);
/* Both are NULL without Redis. */
int connect_tokens(loop_t *loop, const fanmap_options_t *options, bus_error_fn on_refused, void *arg,
                   tokens_port_t **ret_tokens, struct presence **ret_presence, fanmap_error_t *err);
/* What is said when Kafka, or Redis, has not answered within "connect-timeout". Returns FANMAP_EUNREACHABLE. */
int connect_bus_unanswered(const fanmap_options_t *options, fanmap_error_t *err);
int connect_tokens_unanswered(const fanmap_options_t *options, fanmap_error_t *err);

#endif
