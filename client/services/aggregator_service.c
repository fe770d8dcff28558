/* The aggregator from open to close. Its group (aggregator_group.c) feeds aggregator/watch.c, which says when a job has ended;
 * a few writers at a time gather what has ended into files.
 *
 * What can fail: the process, at any point (the next owner begins at the commit, and finds files that were written
 * after it); the disk (everything waits, the log keeps it).
 */
#include "client/services/grower.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FETCH_KBYTES = 256, COMMIT_EVERY_MS = 1000, CALLBACKS_TURN = 1024 };

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
    static const char *const own[][2] = {{"redis", "none"}, {"value-format", "json"}, {"unordered", "false"}};
    a->options = options_copy(options);
    int r = a->options ? FANMAP_OK : err_set(err, FANMAP_ENOMEM, "out of memory");
    for (size_t i = 0; r == FANMAP_OK && i < sizeof own / sizeof own[0]; i++)
        r = options_put(a->options, own[i][0], own[i][1], SOURCE_CALLER, err);
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
        growers_close_partition(a, -1);
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

static void drain_further(fanmap_aggregator_t *a)
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

static void remove_unfinished_files(fanmap_aggregator_t *a)
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

/* Between two turns of the loop. */
static int do_what_is_due(fanmap_aggregator_t *a, fanmap_error_t *err)
{
    if (!a->group && a->topics->is_ready && a->has_dead_topic && !a->drain_asked) {
        int r = aggregator_join(a, err);
        if (r != FANMAP_OK)
            return r;
    }
    if (watch_out_of_memory(a->watch))
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    if (a->is_sweep_due)
        remove_unfinished_files(a);
    begin_growing(a);
    begin_files(a);
    want_records(a);
    if (a->drain_asked)
        drain_further(a);
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
        r = f->error.code ? err_copy(err, &f->error) : do_what_is_due(a, err);
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
        growers_close_partition(a, -1);
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
