#include "client/mapping/same_job.h"

#include <string.h>

static bool same_bound(const spec_t *a, const spec_t *b)
{
    return a->bound_len == b->bound_len && (a->bound_len == 0 || memcmp(a->bound, b->bound, a->bound_len) == 0);
}

const char *same_job_difference(const spec_t *spec, const spec_t *wanted, uint32_t items_partitions)
{
    if (strcmp(spec->task, wanted->task) != 0)
        return "it exists, with another task";
    if (strcmp(spec->queue, wanted->queue) != 0)
        return "it exists, on another queue";
    if (!same_bound(spec, wanted))
        return "it exists, with other bound arguments (--bind)";
    if (spec->sequences_n != wanted->sequences_n)
        return "it exists, with another number of zipped inputs";
    if (strcmp(spec->retry_of, wanted->retry_of) != 0)
        return spec->retry_of[0] ? "it exists, as the second try of another job (--retry-failed)"
                                 : "it exists, and is no second try of another job (--retry-failed)";
    if (spec->items_partitions > items_partitions)
        return "the topic of its items has fewer partitions than when it was submitted";
    return NULL;
}
