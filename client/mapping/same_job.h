/* A job that exists, against what is asked for under its id now (pure). */
#ifndef CLIENT_MAPPING_SAME_JOB_H
#define CLIENT_MAPPING_SAME_JOB_H

#include "schemas/spec.h"

/* Why it is another job than `wanted`, so that it cannot be submitted again; NULL: it is the same. */
const char *same_job_difference(const spec_t *spec, const spec_t *wanted, uint32_t items_partitions);
/* What of its policy differs from what is asked for: words, each with a blank before it; "": nothing. */
void same_job_policy(const spec_t *is, const spec_t *asked, char *ret_names, size_t cap);

#endif
