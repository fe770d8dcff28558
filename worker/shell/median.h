/* The median of the newest few hundred numbers. Pure. */
#ifndef WORKER_SHELL_MEDIAN_H
#define WORKER_SHELL_MEDIAN_H

#include <stddef.h>
#include <stdint.h>

enum { MEDIAN_NUMBERS = 501 };

/* Zeroed: of none. */
typedef struct {
    size_t n, oldest;
    uint64_t in_time[MEDIAN_NUMBERS], in_order[MEDIAN_NUMBERS];
} median_t;

/* Returns the median of those that are held then. */
uint64_t median_add(median_t *median, uint64_t number);

#endif
