/* Spans of attempts, as OTLP/JSON over HTTP to a collector, once a second, beside the work and never before it. Whoever
 * submitted the job is their parent. What finds no room, and what the collector does not take, is dropped and counted. */
#ifndef CLIENT_SERVICES_OTLP_H
#define CLIENT_SERVICES_OTLP_H

#include "base/log.h"
#include "io/loop/loop.h"
#include "worker/core/core.h"

typedef struct otlp otlp_t;

/* `url`: http://HOST[:PORT][/PATH], of port 4318 and path /v1/traces unless it says others. `instance` and `queue` are
 * borrowed until the close. FANMAP_EUSAGE: it is no such URL. */
int otlp_open(loop_t *loop, const char *url, const char *queue, const char *instance, fanmap_log_fn log, void *log_arg,
              otlp_t **ret, fanmap_error_t *err);
/* An attempt of a job with a traceparent has ended just now. `cut`: why it ended without a result, or NULL. `otlp` may be NULL. */
void otlp_put(otlp_t *otlp, const worker_attempt_t *attempt, uint64_t span, fanmap_kind_t kind, const char *cut,
              uint64_t run_us);
/* Sends what there is. False: nothing is under way. */
bool otlp_flush(otlp_t *otlp);
void otlp_counts(const otlp_t *otlp, uint64_t *ret_sent, uint64_t *ret_dropped);
/* NULL is allowed. */
void otlp_close(otlp_t *otlp);

#endif
