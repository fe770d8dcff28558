/* Spans as OpenTelemetry's collectors take them over HTTP: JSON (pure). */
#ifndef CLIENT_SERVICES_OTLP_JSON_H
#define CLIENT_SERVICES_OTLP_JSON_H

#include "base/buf.h"
#include "worker/shell/shell.h"

/* Appends the span of an attempt that ended now, behind a comma if it is not the first one. */
void otlp_span(buf_t *out, const worker_attempt_t *attempt, uint64_t span, const char *queue, const char *result,
               uint64_t run_us);
/* Appends the HTTP request that brings `spans`, with commas between them, of the worker `instance`. */
void otlp_request(buf_t *out, const char *host, uint16_t port, const char *path, const char *instance,
                  const buf_t *spans);

#endif
