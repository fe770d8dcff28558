/* How often a time fell between fixed bounds. Zeroed is empty; adding costs a few comparisons and no memory. */
#ifndef METRICS_HISTOGRAM_H
#define METRICS_HISTOGRAM_H

#include <stdint.h>

enum { HISTOGRAM_BOUNDS = 15 };

typedef struct {
    uint64_t counts[HISTOGRAM_BOUNDS + 1]; /* up to each bound and above the one before; the last: above all */
    uint64_t sum_us;
} histogram_t;

/* Upper bounds, half a decade apart: 1 ms to 10,000 s. */
extern const uint64_t histogram_bounds_us[HISTOGRAM_BOUNDS];

void histogram_add(histogram_t *histogram, uint64_t us);

#endif
