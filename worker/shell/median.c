#include "worker/shell/median.h"

#include <string.h>

#include "base/search.h"

/* How many are smaller. */
static size_t rank(const median_t *m, uint64_t number)
{
    return search_below(m->in_order, m->n, sizeof *m->in_order, (int64_t)number);
}

uint64_t median_add(median_t *m, uint64_t number)
{
    if (m->n == MEDIAN_NUMBERS) {
        size_t at = rank(m, m->in_time[m->oldest]);
        memmove(m->in_order + at, m->in_order + at + 1, (--m->n - at) * sizeof *m->in_order);
    }
    size_t at = rank(m, number);
    memmove(m->in_order + at + 1, m->in_order + at, (m->n++ - at) * sizeof *m->in_order);
    m->in_order[at] = number;
    m->in_time[m->oldest] = number;
    m->oldest = (m->oldest + 1) % MEDIAN_NUMBERS;
    return m->in_order[m->n / 2];
}
