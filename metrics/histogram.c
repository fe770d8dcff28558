#include "metrics/histogram.h"

const uint64_t histogram_bounds_us[HISTOGRAM_BOUNDS] = {1000,      3000,      10000,      30000,      100000,
                                                        300000,    1000000,   3000000,    10000000,   30000000,
                                                        100000000, 300000000, 1000000000, 3000000000, 10000000000};

void histogram_add(histogram_t *histogram, uint64_t us)
{
    unsigned at = 0;
    while (at < HISTOGRAM_BOUNDS && us > histogram_bounds_us[at])
        at++;
    histogram->counts[at]++;
    histogram->sum_us += us;
}
