#include "client/mapping/same_job.h"

#include <stdio.h>
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

static int64_t deadline_span(const spec_t *spec)
{
    return spec->deadline_ms ? spec->deadline_ms - spec->submitted_ms : 0;
}

void same_job_policy(const spec_t *is, const spec_t *asked, char *ret_names, size_t cap)
{
    bool backoff = asked->backoff_base_ms != is->backoff_base_ms || asked->backoff_cap_ms != is->backoff_cap_ms ||
                   asked->backoff_factor_milli != is->backoff_factor_milli;
    bool limits = asked->memory_bytes != is->memory_bytes || asked->cpus_milli != is->cpus_milli ||
                  asked->cpu_time_ms != is->cpu_time_ms;
    bool halt = asked->fail_fast != is->fail_fast || asked->halt.when != is->halt.when ||
                asked->halt.what != is->halt.what || asked->halt.threshold != is->halt.threshold ||
                asked->halt.is_percent != is->halt.is_percent;
    (void)snprintf(ret_names, cap, "%s%s%s%s%s%s%s%s", asked->concurrency != is->concurrency ? " concurrency" : "",
                   asked->retries != is->retries ? " retries" : "", backoff ? " backoff" : "",
                   asked->timeout_ms != is->timeout_ms || asked->grace_ms != is->grace_ms ? " timeout" : "",
                   deadline_span(asked) != deadline_span(is) ? " deadline" : "", halt ? " fail-fast/halt" : "",
                   asked->crash_cap != is->crash_cap ? " crash-cap" : "", limits ? " limits" : "");
}
