/* A job's log, counted: what the list says of it, and a little of when. */
#ifndef CLIENT_JOBLOG_JOB_COUNTS_H
#define CLIENT_JOBLOG_JOB_COUNTS_H

#include "aggregator/list.h"
#include "fanmap/admin.h"
#include "io/bus.h"

enum { JOB_COUNTS_RATE_S = 60 };

typedef struct {
    list_t *list;
    void (*also)(void *arg, const outcome_t *outcome); /* each outcome that counts; NULL: nobody */
    void *also_arg;
    uint64_t kinds[FANMAP_KINDS];
    uint64_t waited[FANMAP_WAITED_PLACES];
    bool is_decided;
    list_state_t state;
    end_reason_t reason;
    fanmap_kind_t missing;                              /* of a decided list: what an item without an outcome is */
    int64_t at_ms;                                      /* of the record in hand, by Kafka's timestamps */
    int64_t first_ms, last_ms;                          /* of outcomes; 0: none */
    int64_t producer_ms;                                /* of the producer's last word; 0: none */
    int64_t second[JOB_COUNTS_RATE_S];                  /* which second a place counts, ... */
    uint64_t in_second[JOB_COUNTS_RATE_S], in_record_n; /* ... and how many outcomes it had */
} job_counts_t;

/* NULL: no memory. */
job_counts_t *job_counts_new(const char *job);
void job_counts_free(job_counts_t *counts);
/* The next record of the partition. A query_record_fn whose arg is a job_counts_t. */
void job_counts_record(void *counts, const bus_record_t *record);
/* Outcomes a second as of `now_ms`; of a decided list over its whole life. */
double job_counts_rate(const job_counts_t *counts, int64_t now_ms);
/* The first index without an outcome; -1: every one has one, as far as is known. */
int64_t job_counts_oldest(const job_counts_t *counts);
/* The counts of `info`, and its state and reason where the log decides them. */
void job_counts_info(const job_counts_t *counts, fanmap_job_info_t *info);
/* The counts of `info` by what was said of them at the end, if anything was. */
void job_counts_at_end(const jobs_counts_t *said, fanmap_job_info_t *info);
/* For how long the producer of the job, of which this is known, has said nothing; -1: it need not, or never did. */
int64_t job_counts_silent_ms(const job_counts_t *counts, const fanmap_job_info_t *info, int64_t now_ms);
/* Puts a copy of the list's end (JOBS_END) or of its halting (JOBS_HALT) on the jobs topic, with what the list comes to. False: the
 * bus did not take it. */
bool job_counts_publish(const list_t *list, bus_topic_t *jobs, const char *job, jobs_field_t field,
                        end_reason_t reason);
/* A word for a reason; "" for one that is none. */
const char *end_reason_word(end_reason_t reason);

#endif
