/* A consumer group on the results topic deals its partitions out to the aggregators; a job's log is one partition, so
 * one of them sees the whole of it. Records go to aggregator/watch.c, which says when a job has ended and what to
 * commit; a few writers at a time gather what has ended into files.
 *
 * What can fail: the process, at any point (the next owner begins at the commit, and finds files that were written
 * after it); the disk (everything waits, the log keeps it); the partition, which may go to another instance while a
 * file of it is written (the part is dropped; should both end, they have the same bytes).
 */
#include "client/services/grower.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FETCH_KBYTES = 256, COMMIT_EVERY_MS = 1000, COMMIT_NOW_MS = 2000, CALLBACKS_TURN = 1024 };

/* ---- the group ---- */

static void on_assigned(void *arg, int32_t partition, int64_t offset, bool was_committed, const char *metadata,
                        size_t metadata_len)
{
    fanmap_aggregator_t *a = arg;
    fanmap_error_t err;
    if (watch_assigned(a->watch, partition, offset, metadata, was_committed ? metadata_len : 0))
        return;
    err_set(&err, FANMAP_ENOMEM, "out of memory");
    client_fail(a->f, &err);
}

static void on_rebalanced(void *arg)
{
    fanmap_aggregator_t *a = arg;
    a->is_dealt = true;
    a->is_sweep_due = true; /* perhaps because one of us died */
}

static void on_revoked(void *arg, const int32_t *partitions, size_t n, bool lost)
{
    fanmap_aggregator_t *a = arg;
    watch_commit_t commit;
    a->is_dealt &= !lost;
    while (!lost && n > 0 && watch_next_commit(a->watch, &commit))
        (void)bus_group_commit_now(a->group, commit.partition, commit.offset, commit.metadata, commit.metadata_len,
                                   COMMIT_NOW_MS);
    for (size_t i = 0; i < n; i++) {
        growers_leave(a, partitions[i]);
        for (int k = 0; k < WRITERS_MAX; k++)
            if (a->writers[k].of && a->writers[k].task.partition == partitions[i])
                writer_abort(&a->writers[k]);
        watch_revoked(a->watch, partitions[i]);
    }
    if (a->is_leaving) {
        a->group = NULL;
        a->is_ended = true;
        loop_wake(a->f->loop);
    }
}

static void say_dropped(fanmap_aggregator_t *a)
{
    uint64_t dropped = watch_dropped_n(a->watch);
    if (a->dropped_said == 0 && dropped > 0)
        aggregator_log(
            a, FANMAP_LOG_WARNING,
            "more than %d jobs are open: the oldest are no longer watched and get no file (fanmap gather JOB "
            "still works); cancel what will not end",
            WATCH_JOBS_MAX);
    a->dropped_said = dropped;
}

static void on_bad_record(fanmap_aggregator_t *a, const bus_record_t *record)
{
    if (watch_was_read_before(a->watch, record->partition, record->offset))
        return;
    dead_letter(a, record);
    a->dead_n++;
    if (!a->has_bad_records)
        aggregator_log(a, FANMAP_LOG_WARNING,
                       "the record at offset %" PRId64 " of results partition %" PRId32
                       " is bad or foreign and does not count; it is on the dead-letter topic, as later ones will be",
                       record->offset, record->partition);
    a->has_bad_records = true;
}

static bool on_record(void *arg, const bus_record_t *record)
{
    fanmap_aggregator_t *a = arg;
    a->record = record;
    if (!watch_record(a->watch, record->partition, record->offset, record->key, record->key_len, record->value,
                      record->value_len))
        on_bad_record(a, record);
    say_dropped(a);
    return false;
}

static void on_committed(void *arg, int32_t partition, int64_t offset, uint64_t cookie, bool ok)
{
    (void)cookie;
    fanmap_aggregator_t *a = arg;
    (void)offset;
    if (!ok)
        watch_commit_failed(a->watch, partition);
}

static void on_gap(void *arg, int32_t partition, int64_t from, int64_t to)
{
    fanmap_aggregator_t *a = arg;
    fanmap_error_t err;
    if (to < from) {
        err_set_retry(&err, FANMAP_ELOST, "the results topic was deleted and made anew: start the aggregator again");
        client_fail(a->f, &err);
        return;
    }
    size_t lost = watch_gap(a->watch, partition, to);
    aggregator_log(a, lost ? FANMAP_LOG_ERROR : FANMAP_LOG_WARNING,
                   "Kafka deleted the records %" PRId64 " to %" PRId64 " of results partition %" PRId32
                   " before they were read (retention): jobs that began there get no file (%zu known)",
                   from, to - 1, partition, lost);
}

static int join(fanmap_aggregator_t *a, fanmap_error_t *err)
{
    static const bus_group_callbacks_t callbacks = {.assigned = on_assigned,
                                                    .rebalanced = on_rebalanced,
                                                    .revoked = on_revoked,
                                                    .record = on_record,
                                                    .committed = on_committed,
                                                    .gap = on_gap};
    char name[TOPIC_NAME_MAX];
    const char *group = options_text(a->f->options, OPT_GROUP);
    name_aggregator_group(name, a->f->namespace_name, group);
    int r = bus_group_join(&a->topics->results, 1, name, &callbacks, a, &a->group, err);
    if (r == FANMAP_OK)
        aggregator_log(a, FANMAP_LOG_INFO, "ready: jobs of namespace %s go to %s (group %s)", a->f->namespace_name,
                       a->dir, group);
    return r;
}

/* ---- open ---- */

/* A wrong path is an error at once; a disk that cannot be written is not. */
static int check_dir(const fanmap_aggregator_t *a, fanmap_error_t *err)
{
    if (!a->dir)
        return err_set(err, FANMAP_EUSAGE, "where to? give --out DIR");
    int fd = open(a->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_set(err, FANMAP_EIO, "--out %s: %s", a->dir, strerror(errno));
    close(fd);
    return FANMAP_OK;
}

static bool is_whole(void *arg, const char *job, int64_t submitted_ms)
{
    fanmap_aggregator_t *a = arg;
    bool is_whole = result_file_is_whole(a->dir, job, submitted_ms);
    if (is_whole || !a->grows || a->opened_n == GROWERS_MAX)
        return is_whole;
    watch_task_t *task = &a->opened[a->opened_n++];
    *task = (watch_task_t){
        .partition = a->record->partition, .start_offset = a->record->offset, .submitted_ms = submitted_ms};
    (void)snprintf(task->job, sizeof task->job, "%s", job);
    return false;
}

static void on_commit_timer(void *arg)
{
    fanmap_aggregator_t *a = arg;
    watch_commit_t commit;
    growers_sync(a);
    while (a->group && watch_next_commit(a->watch, &commit))
        bus_group_commit(a->group, commit.partition, commit.offset, commit.metadata, commit.metadata_len, 0);
    loop_timer_at(a->commit_timer, loop_now_ms(a->f->loop) + COMMIT_EVERY_MS);
}

static void on_retry_timer(void *arg)
{
    (void)arg; /* fanmap_aggregator_run goes on after the turn */
}

static void on_drain_timer(void *arg)
{
    fanmap_aggregator_t *a = arg;
    for (int i = 0; i < WRITERS_MAX; i++)
        writer_abort(&a->writers[i]);
}

static int open_options(fanmap_aggregator_t *a, const fanmap_options_t *options, fanmap_error_t *err)
{
    a->options = options_copy(options);
    int r = a->options ? FANMAP_OK : err_set(err, FANMAP_ENOMEM, "out of memory");
    if (r == FANMAP_OK)
        r = options_put(a->options, "redis", "none", SOURCE_CALLER, err);
    if (r == FANMAP_OK)
        r = options_put(a->options, "value-format", "json", SOURCE_CALLER, err);
    if (r == FANMAP_OK)
        r = options_put(a->options, "unordered", "false", SOURCE_CALLER, err);
    if (r != FANMAP_OK)
        return r;
    a->dir = options_text(a->options, OPT_OUT);
    a->as_records = options_switch(a->options, OPT_RECORDS);
    a->grows = options_switch(a->options, OPT_GROW);
    r = check_dir(a, err);
    if (r == FANMAP_OK && result_owner(a->owner) != FANMAP_OK)
        r = err_set(err, FANMAP_EIO, "no random numbers");
    return r;
}

static int open_parts(fanmap_aggregator_t *a, const fanmap_options_t *options, fanmap_error_t *err)
{
    int r = open_options(a, options, err);
    if (r != FANMAP_OK)
        return r;
    a->watch = watch_new(is_whole, a);
    if (!a->watch)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    r = client_open(a->options, FETCH_KBYTES, a->log, a->log_arg, &a->f, err);
    if (r == FANMAP_OK)
        r = loop_timer_new(a->f->loop, on_retry_timer, a, &a->retry_timer, err);
    if (r == FANMAP_OK)
        r = loop_timer_new(a->f->loop, on_commit_timer, a, &a->commit_timer, err);
    if (r == FANMAP_OK)
        r = loop_timer_new(a->f->loop, on_drain_timer, a, &a->drain_timer, err);
    if (r == FANMAP_OK)
        r = queue_get(a->f, NULL, NULL, &a->topics, err);
    if (r == FANMAP_OK)
        r = dead_open(a, err);
    if (r == FANMAP_OK)
        loop_timer_at(a->commit_timer, loop_clock_ms() + COMMIT_EVERY_MS);
    return r;
}

int fanmap_aggregator_open(const fanmap_options_t *options, fanmap_log_fn log, void *log_arg,
                           fanmap_aggregator_t **ret_aggregator, fanmap_error_t *err)
{
    fanmap_aggregator_t *a = calloc(1, sizeof *a);
    if (!a)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    a->log = log;
    a->log_arg = log_arg;
    a->wants_records = a->is_sweep_due = true;
    int r = open_parts(a, options, err);
    if (r != FANMAP_OK) {
        fanmap_aggregator_close(a);
        return r;
    }
    *ret_aggregator = a;
    return FANMAP_OK;
}

int fanmap_aggregator_fd(const fanmap_aggregator_t *aggregator)
{
    return fanmap_fd(aggregator->f);
}

/* ---- run ---- */

static size_t writers_n(const fanmap_aggregator_t *a)
{
    size_t n = 0;
    for (int i = 0; i < WRITERS_MAX; i++)
        n += a->writers[i].of != NULL;
    return n;
}

static void begin_growing(fanmap_aggregator_t *a)
{
    if (a->drain_begun)
        growers_leave(a, -1);
    growers_sweep(a);
    for (size_t i = 0; i < a->opened_n && !a->drain_begun; i++)
        grower_begin(a, &a->opened[i]);
    a->opened_n = 0;
}

static void begin_files(fanmap_aggregator_t *a)
{
    watch_task_t task;
    for (int i = 0; i < WRITERS_MAX; i++)
        if (a->writers[i].of && a->writers[i].waits && a->drain_begun) {
            writer_abort(&a->writers[i]); /* its part and its place stay */
        } else if (a->writers[i].of && a->writers[i].waits && !grower_of(a, a->writers[i].task.job)) {
            task = a->writers[i].task;
            writer_begin(&a->writers[i], a, &task);
        }
    for (int i = 0; i < WRITERS_MAX && !a->drain_begun; i++)
        if (!a->writers[i].of && watch_next(a->watch, loop_clock_ms(), &task))
            writer_begin(&a->writers[i], a, &task);
    int64_t due_ms = writers_n(a) == WRITERS_MAX || a->drain_begun ? INT64_MAX : watch_due_ms(a->watch);
    if (due_ms == INT64_MAX)
        loop_timer_stop(a->retry_timer);
    else
        loop_timer_at(a->retry_timer, due_ms);
}

static void drain(fanmap_aggregator_t *a)
{
    if (!a->drain_begun)
        loop_timer_at(a->drain_timer, loop_clock_ms() + (int64_t)options_ms(a->f->options, OPT_DRAIN));
    a->drain_begun = true;
    if (a->is_leaving || writers_n(a) > 0)
        return;
    a->is_leaving = true;
    if (a->group)
        bus_group_leave(a->group);
    else
        a->is_ended = true;
}

static void sweep(fanmap_aggregator_t *a)
{
    a->is_sweep_due = false;
    size_t n = result_files_sweep(a->dir);
    if (n > 0)
        aggregator_log(a, FANMAP_LOG_INFO, "removed %zu unfinished files of instances that died", n);
}

static void want_records(fanmap_aggregator_t *a)
{
    bool wants = watch_has_room(a->watch);
    if (!a->group || wants == a->wants_records)
        return;
    a->wants_records = wants;
    bus_group_want(a->group, wants);
}

/* What is due between two turns. */
static int step(fanmap_aggregator_t *a, fanmap_error_t *err)
{
    if (!a->group && a->topics->is_ready && a->has_dead_topic && !a->drain_asked) {
        int r = join(a, err);
        if (r != FANMAP_OK)
            return r;
    }
    if (watch_out_of_memory(a->watch))
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    if (a->is_sweep_due)
        sweep(a);
    begin_growing(a);
    begin_files(a);
    want_records(a);
    if (a->drain_asked)
        drain(a);
    return FANMAP_OK;
}

int fanmap_aggregator_run(fanmap_aggregator_t *a, int timeout_ms, fanmap_error_t *err)
{
    fanmap_t *f = a->f;
    if (a->is_ended)
        return FANMAP_END;
    int r = client_turn(f, callbacks_due(f) ? 0 : timeout_ms, err);
    if (r == FANMAP_OK) {
        (void)run_callbacks(f, CALLBACKS_TURN);
        f->was_woken = false;
        r = f->error.code ? err_copy(err, &f->error) : step(a, err);
    }
    client_mark(f);
    return r != FANMAP_OK ? r : a->is_ended ? FANMAP_END : FANMAP_OK;
}

void fanmap_aggregator_drain(fanmap_aggregator_t *aggregator)
{
    aggregator->drain_asked = 1;
    loop_wake(aggregator->f->loop);
}

bool fanmap_aggregator_is_ready(const fanmap_aggregator_t *aggregator)
{
    return aggregator->group != NULL;
}

void fanmap_aggregator_close(fanmap_aggregator_t *a)
{
    if (!a)
        return;
    for (int i = 0; i < WRITERS_MAX; i++)
        writer_abort(&a->writers[i]);
    if (a->f)
        growers_leave(a, -1);
    growers_sweep(a);
    loop_timer_free(a->retry_timer);
    loop_timer_free(a->commit_timer);
    loop_timer_free(a->drain_timer);
    a->retry_timer = a->commit_timer = a->drain_timer = NULL;
    fanmap_close(a->f);
    watch_free(a->watch);
    fanmap_options_free(a->options);
    free(a);
}
