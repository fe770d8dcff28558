/* The outcomes of a job as plain records of a topic (option "to"): which topics, what they take, and what the transaction under way
 * holds. gather_place.c has it beside the place of the reader, whose writer takes the records. */
#ifndef CLIENT_GATHERING_JOB_OUTPUT_H
#define CLIENT_GATHERING_JOB_OUTPUT_H

#include "client/connection/job.h"
#include "io/bus_writer.h"
#include "schemas/joblog.h"

typedef struct job_output job_output_t;
/* Something to say to the job, from inside the loop. */
typedef void (*job_output_fn)(fanmap_job_t *job);

/* *ret NULL: no topic is asked for. FANMAP_EUSAGE: what is asked for cannot be. `due`: the transaction is to be ended. */
int job_output_new(fanmap_job_t *job, job_output_fn due, job_output_t **ret, fanmap_error_t *err);
void job_output_free(job_output_t *output);
/* Once the spec is known: `ready`, when the topics are there. What fails fails the job. */
int job_output_open(job_output_t *output, job_output_fn ready, fanmap_error_t *err);
/* One that was handed out; what no record can hold becomes an error, in the outcome too, until the next one. */
int job_output_put(job_output_t *output, bus_writer_t *writer, outcome_t *outcome, fanmap_error_t *err);
/* The transaction holds as much as it may. */
bool job_output_is_full(const job_output_t *output);
/* It is being ended. */
void job_output_ends(job_output_t *output);
/* How many were put, over all. */
uint64_t job_output_n(const job_output_t *output);
/* What the records of its topics may have at most; 0: not known. */
uint32_t job_output_batch_bytes(const job_output_t *output);
/* Without transactions. */
bool job_output_is_plain(const job_output_t *output);

#endif
