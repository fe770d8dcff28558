/* The topics of a task's jobs on one queue. jobs and results are the same for everything in a namespace. */
#ifndef CLIENT_CONNECTION_QUEUE_H
#define CLIENT_CONNECTION_QUEUE_H

#include "client/connection/job.h"
#include "client/connection/publisher.h"
#include "io/bus.h"

struct queue {
    queue_t *next;
    fanmap_t *f;
    char name[NAME_MAX_LEN + 1], task[TASK_NAME_MAX + 1]; /* both "": only jobs and results */
    bool is_asked, is_ready;
    bool is_counting;            /* queue_count_again has no answer yet */
    fanmap_error_t error;        /* code not 0: they are not there; asked again for who comes next */
    uint32_t items_n, results_n; /* partitions */
    bus_topic_t *items, *results, *jobs;
    publisher_reports_t reports[3]; /* by queue_topic_t */
};

/* The topics of a task on a queue (name NULL: only jobs and results, for a gather); is_ready once they are known to
 * exist. */
int queue_get(fanmap_t *f, const char *name, const char *task, queue_t **ret, fanmap_error_t *err);
/* Sets job->queue. `ready` is called once, from here or from a turn, unless the job fails or waits for another queue
 * before. */
int queue_wait(fanmap_job_t *job, const char *name, const char *task, queue_ready_fn ready, fanmap_error_t *err);
/* Asks how many partitions the results topic has now, which may be more than when the queue was looked up. results_n has
 * the answer once is_counting is false; what cannot be found out changes nothing. */
int queue_count_again(queue_t *queue, fanmap_error_t *err);
void queues_free(fanmap_t *f);

#endif
