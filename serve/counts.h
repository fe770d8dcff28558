/* What is counted of requests, by route and by the class of the status that answered them. Pure. */
#ifndef SERVE_COUNTS_H
#define SERVE_COUNTS_H

#include "base/buf.h"
#include "metrics/histogram.h"
#include "serve/route.h"

enum { COUNT_ROUTES_MAX = 32, COUNT_CLASSES = 6 };

/* Zeroed is empty. Place 0 is of what has no route. */
typedef struct {
    const char *paths[COUNT_ROUTES_MAX], *methods[COUNT_ROUTES_MAX];
    uint64_t answered[COUNT_ROUTES_MAX][COUNT_CLASSES];
    histogram_t took[COUNT_ROUTES_MAX];
} serve_counts_t;

/* A reply begins, so many microseconds after its head was there. route NULL: there is none. */
void counts_answer(serve_counts_t *counts, const route_t *route, int status, uint64_t us);
/* As text for Prometheus. */
void counts_put(const serve_counts_t *counts, size_t connections_n, buf_t *out);

#endif
