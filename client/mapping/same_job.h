/* A job that exists, against what is asked for under its id now (pure). */
#ifndef CLIENT_MAPPING_SAME_JOB_H
#define CLIENT_MAPPING_SAME_JOB_H

#include "schemas/spec.h"

/* Why it is another job than `wanted`, so that it cannot be submitted again; NULL: it is the same. */
const char *same_job_difference(const spec_t *spec, const spec_t *wanted, uint32_t items_partitions);

#endif
