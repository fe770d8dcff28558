/* A line for each attempt that failed, and not too many: of one job a few a second, the others are counted and said when
 * the second is over. */
#ifndef CLIENT_SERVICES_FAILURES_H
#define CLIENT_SERVICES_FAILURES_H

#include "base/log.h"
#include "io/loop/loop.h"
#include "schemas/joblog.h"
#include "worker/core/core.h"

typedef struct failures failures_t;

int failures_open(loop_t *loop, fanmap_log_fn log, void *arg, failures_t **ret, fanmap_error_t *err);
void failures_say(failures_t *failures, const worker_attempt_t *attempt, const outcome_t *outcome);
/* Says what is still counted. */
void failures_close(failures_t *failures);

#endif
