/* What --metrics HOST:PORT answers, over serve/http, and what it asks of a service. probe.c is pure: one request in, its reply out;
 * probes.c has the sockets.
 *
 *   /metrics   text for Prometheus
 *   /healthz   200: the loop turns, for it is the loop that answers
 *   /readyz    200: it has what it works on, though perhaps less than all, with a reason; 503: not yet, or it drains */
#ifndef CLI_PROBE_H
#define CLI_PROBE_H

#include "base/buf.h"
#include "fanmap/admin.h"

typedef struct {
    int (*metrics)(const void *service, fanmap_text_fn fn, void *arg, fanmap_error_t *err);
    void (*health)(const void *service, fanmap_health_t *ret);
    const void *service;
} probe_service_t;

/* Appends the reply to the request that begins at `bytes`, after which the connection ends. False: more bytes are needed. */
bool probe_answer(const char *bytes, size_t len, const probe_service_t *service, buf_t *out);

#endif
