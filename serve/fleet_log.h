/* What happened to the fleet, as one look after the other shows it: workers that came and went, partitions that moved, Redis away and
 * back. Pure and bounded: what one look shows of a kind on a queue is one event, and the newest FLEET_EVENTS_MAX are kept. */
#ifndef SERVE_FLEET_LOG_H
#define SERVE_FLEET_LOG_H

#include "base/buf.h"
#include "fanmap/admin.h"

enum { FLEET_EVENTS_MAX = 500, FLEET_WORKERS_MAX = 10000, FLEET_NAMES_BYTES = 256 };

/* A worker, of one look. */
typedef struct {
    char id[32], name[96], queue[64]; /* name: HOST:PID */
    uint64_t partitions;
} fleet_worker_t;

typedef struct fleet_log fleet_log_t;

/* NULL: no memory. */
fleet_log_t *fleet_log_new(int64_t now_ms);
void fleet_log_free(fleet_log_t *log);
/* For a fanmap_worker_info_fn: one more of a look, as a fleet_worker_t behind the others; over FLEET_WORKERS_MAX it is left out. */
void fleet_log_add_worker(buf_t *look, const fanmap_worker_info_t *worker);
/* A look. Of the first nothing is told: all of it was there before. */
void fleet_log_update(fleet_log_t *log, int64_t now_ms, const buf_t *look);
/* Nobody could look. */
void fleet_log_unreachable(fleet_log_t *log, int64_t now_ms);
/* {"since_ms":T,"events":[{"at_ms":T,"what":"came","queue":Q,"workers":N,"names":"HOST:PID, ..."},...]}: those of a queue (NULL: of
 * all), and of Redis, oldest first. */
void fleet_log_json(const fleet_log_t *log, const char *queue, buf_t *out);

#endif
