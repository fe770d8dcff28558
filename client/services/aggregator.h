/* The aggregator as a service.
 *
 *   aggregator_service.c  open, run, drain, close
 *   aggregator_group.c    the group on the results topic, which feeds aggregator/watch.c
 *   aggregator_writer.c   one finished job: gathers its log again into its file
 *   grower.c              one job that goes on: its file as it grows
 *   aggregator_dead.c     records that do not count
 *   result_file.c         a file that is whole or not there
 */
#ifndef CLIENT_SERVICES_AGGREGATOR_H
#define CLIENT_SERVICES_AGGREGATOR_H

#include "aggregator/watch.h"
#include "client/handle/handle.h"
#include "client/services/result_file.h"

enum { WRITERS_MAX = 4, GROWERS_MAX = 64 };

struct grower;

typedef struct {
    fanmap_aggregator_t *of; /* NULL: free */
    watch_task_t task;
    fanmap_job_t *job;
    result_file_t file;
    uint64_t outcomes_n, failed_n;
    bool waits; /* for who grows its file */
} writer_t;

struct fanmap_aggregator {
    fanmap_t *f;
    fanmap_options_t *options; /* of each gather */
    const char *dir;
    char owner[RESULT_OWNER_MAX + 1];
    fanmap_log_fn log;
    void *log_arg;
    bool as_records;
    queue_t *topics;
    bus_topic_t *dead;
    bool has_dead_topic, has_lost_dead;
    bus_group_t *group; /* NULL: not joined, or left */
    watch_t *watch;
    writer_t writers[WRITERS_MAX];
    bool grows;
    const bus_record_t *record; /* that is being read */
    struct grower *growers;
    size_t growers_n, opened_n;
    watch_task_t opened[GROWERS_MAX]; /* begun since the last step */
    loop_timer_t *retry_timer, *commit_timer, *drain_timer;
    bool wants_records; /* of the group */
    bool is_sweep_due, has_bad_records, is_ended;
    bool is_dealt; /* its partitions are known, and were not lost since */
    uint64_t dead_n;
    volatile int drain_asked; /* set by a signal handler */
    bool drain_begun, is_leaving;
    uint64_t dropped_warned;
    char trouble[504]; /* of the disk, as it was last logged; "": it is well */
};

#define aggregator_log(a, level, ...) log_to((a)->log, (a)->log_arg, (level), __VA_ARGS__)

/* Once its topics are there. */
int aggregator_join(fanmap_aggregator_t *a, fanmap_error_t *err);
/* The topic of dead letters; has_dead_topic once it is known to exist. */
int dead_open(fanmap_aggregator_t *a, fanmap_error_t *err);
void dead_letter(fanmap_aggregator_t *a, const bus_record_t *record);

/* Begins to write the file of `task` in a free writer. */
void writer_begin(writer_t *writer, fanmap_aggregator_t *a, const watch_task_t *task);
/* Leaves it, with nothing behind. */
void writer_abort(writer_t *writer);

#endif
