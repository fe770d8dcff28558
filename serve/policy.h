/* NAME=VALUE pairs of a request's query, as options of a map. */
#ifndef SERVE_POLICY_H
#define SERVE_POLICY_H

#include "fanmap/fanmap.h"
#include "serve/http/head.h"

typedef struct {
    fanmap_options_t *options; /* the caller frees */
    char task[256];            /* "task": of a submission; "" */
    bool detach;               /* the job goes on without its connection */
    bool as_records;
} policy_t;

/* `query` holds options of `fanmap map` that are about the job (others, of this machine or the connection, are refused),
 * "detach", "records" and "task". */
int policy_read(http_text_t query, policy_t *ret_policy, fanmap_error_t *err);

#endif
