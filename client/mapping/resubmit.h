/* A job id that is submitted again after its producer is gone. */
#ifndef CLIENT_MAPPING_RESUBMIT_H
#define CLIENT_MAPPING_RESUBMIT_H

#include "client/mapping/mapping.h"

/* Finds out what the job has already, then has its producer started (`produce`) or fails the job. */
int resubmit_begin(fanmap_job_t *job, const lookup_result_t *found, queue_ready_fn produce, fanmap_error_t *err);
/* For the producer; NULL where nothing is resubmitted. */
prior_t *resubmit_known(resubmit_t *resubmit);
/* PRODUCER_SCAN. */
void resubmit_scan(resubmit_t *resubmit);
void resubmit_free(resubmit_t *resubmit);

#endif
