/* What the services tell Prometheus, each by its own families: worker_metrics.c, reader_metrics.c; what all have in common is here. */
#ifndef CLIENT_SERVICES_METRICS_H
#define CLIENT_SERVICES_METRICS_H

#include "fanmap/admin.h"
#include "metrics/exposition.h"

/* Labels of one series; `name` NULL: the first two alone. */
typedef struct {
    metric_label_t at[3];
    size_t n;
} labels_t;
labels_t labels_of(const char *queue, const char *task, const char *name, const char *value);

/* What every service begins with: build_info and the process's own. */
void metrics_of_process(exposition_t *to);
/* Hands the text over and frees it. */
int metrics_tell(exposition_t *to, fanmap_text_fn fn, void *arg, fanmap_error_t *err);
/* For ready, a `why` of NULL or ""; copies what fits. */
void health_set(fanmap_health_t *ret, size_t sizeof_ret, bool is_ready, const char *why);

#endif
