/* Which jobs are open, finished and written, through crashes, hand-overs, failing disks and gaps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "aggregator/watch_state.h"
#include "base/random.h"
#include "schemas/gathered.h"
#include "schemas/joblog.h"

enum { PARTITION = 3, JOBS = 12, LOG_MAX = 4000 };

typedef struct {
    char key[JOB_ID_MAX + 1];
    buf_t value;
} record_t;

/* One partition's log, the files, and what was committed. */
typedef struct {
    watch_t *watch;
    record_t log[LOG_MAX];
    int64_t log_n;
    const char *files[64];
    size_t files_n, written_n;
    int64_t committed;
    char metadata[GATHERED_BYTES_MAX];
    size_t metadata_len;
} rig_t;

static bool is_whole(void *arg, const char *job, int64_t submitted_ms)
{
    const rig_t *rig = arg;
    (void)submitted_ms;
    for (size_t i = 0; i < rig->files_n; i++)
        if (strcmp(rig->files[i], job) == 0)
            return true;
    return false;
}

static void start_instance(rig_t *rig)
{
    watch_free(rig->watch);
    rig->watch = watch_new(is_whole, rig);
    assert_non_null(rig->watch);
    assert_true(watch_assigned(rig->watch, PARTITION, rig->committed, rig->metadata, rig->metadata_len));
}

static rig_t *rig_new(void)
{
    rig_t *rig = calloc(1, sizeof *rig);
    start_instance(rig);
    return rig;
}

static void rig_free(rig_t *rig)
{
    watch_free(rig->watch);
    for (int64_t i = 0; i < rig->log_n; i++)
        buf_free(&rig->log[i].value);
    free(rig);
}

static record_t *append(rig_t *rig, const char *job)
{
    assert_true(rig->log_n < LOG_MAX);
    record_t *record = &rig->log[rig->log_n++];
    snprintf(record->key, sizeof record->key, "%s", job);
    return record;
}

static void log_start(rig_t *rig, const char *job)
{
    spec_t spec;
    spec_init(&spec);
    snprintf(spec.job, sizeof spec.job, "%s", job);
    snprintf(spec.task, sizeof spec.task, "t");
    snprintf(spec.queue, sizeof spec.queue, "q");
    spec.results_partition = PARTITION;
    spec.items_partitions = 1;
    spec.start_offset = -1;
    joblog_encode_start(&append(rig, job)->value, &spec);
}

static void log_end(rig_t *rig, const char *job)
{
    joblog_encode_end(&append(rig, job)->value, END_CANCEL);
}

static bool read_to(rig_t *rig, int64_t from, int64_t to)
{
    bool all_good = true;
    for (int64_t i = from; i < to; i++)
        all_good &= watch_record(rig->watch, PARTITION, i, rig->log[i].key, strlen(rig->log[i].key),
                                 rig->log[i].value.data, rig->log[i].value.len);
    return all_good;
}

static void commit(rig_t *rig)
{
    watch_commit_t taken;
    while (watch_next_commit(rig->watch, &taken)) {
        assert_int_equal(taken.partition, PARTITION);
        rig->committed = taken.offset;
        memcpy(rig->metadata, taken.metadata, taken.metadata_len);
        rig->metadata_len = taken.metadata_len;
    }
}

static void write_next(rig_t *rig, const char *job)
{
    watch_task_t task;
    assert_true(watch_next(rig->watch, 0, &task));
    assert_string_equal(task.job, job);
    watch_ended(rig->watch, task.number, WATCH_WRITTEN, 0);
}

static void expect_nothing_to_write(rig_t *rig)
{
    watch_task_t task;
    assert_false(watch_next(rig->watch, INT64_MAX - 1, &task));
}

static void a_job_is_written_when_it_has_ended(void **state)
{
    (void)state;
    rig_t *rig = rig_new();
    log_start(rig, "a");
    log_start(rig, "b");
    log_end(rig, "b");
    assert_true(read_to(rig, 0, 2));
    expect_nothing_to_write(rig);
    assert_true(read_to(rig, 2, 3));
    assert_int_equal(rig->watch->open_n, 1);
    assert_int_equal(watch_waiting_n(rig->watch), 1);
    write_next(rig, "b");
    expect_nothing_to_write(rig);
    commit(rig);
    assert_int_equal(rig->committed, 0); /* where a begins */
    log_end(rig, "a");
    read_to(rig, 3, 4);
    write_next(rig, "a");
    commit(rig);
    assert_int_equal(rig->committed, 4);
    rig_free(rig);
}

/* b has its file, a not: who comes next reads from a on, and leaves b alone though its file was taken away. */
static void what_is_committed_is_not_written_again(void **state)
{
    (void)state;
    rig_t *rig = rig_new();
    log_start(rig, "a");
    log_start(rig, "b");
    log_end(rig, "b");
    read_to(rig, 0, 3);
    write_next(rig, "b");
    commit(rig);
    start_instance(rig);
    commit(rig); /* before it has read anything: nothing may be forgotten */
    start_instance(rig);
    log_end(rig, "a");
    read_to(rig, rig->committed, 4);
    write_next(rig, "a");
    expect_nothing_to_write(rig);
    rig_free(rig);
}

static void what_was_written_after_the_commit_is_found(void **state)
{
    (void)state;
    rig_t *rig = rig_new();
    log_start(rig, "a");
    log_end(rig, "a");
    read_to(rig, 0, 2);
    write_next(rig, "a");
    rig->files[rig->files_n++] = "a"; /* killed before it could commit */
    start_instance(rig);
    read_to(rig, 0, 2);
    expect_nothing_to_write(rig);
    rig_free(rig);
}

static void a_failing_disk_is_tried_again_ever_later(void **state)
{
    (void)state;
    rig_t *rig = rig_new();
    watch_task_t task;
    log_start(rig, "a");
    log_start(rig, "b");
    log_end(rig, "a");
    log_end(rig, "b");
    read_to(rig, 0, 4);
    assert_true(watch_next(rig->watch, 1000, &task));
    watch_ended(rig->watch, task.number, WATCH_FAILED, 1000);
    assert_int_equal(watch_failed_n(rig->watch), 1);
    assert_false(watch_next(rig->watch, 1000 + WATCH_RETRY_MS - 1, &task));
    assert_int_equal(watch_due_ms(rig->watch), 1000 + WATCH_RETRY_MS);
    commit(rig);
    assert_int_equal(rig->committed, 0);
    int64_t now = 1000 + WATCH_RETRY_MS;
    assert_true(watch_next(rig->watch, now, &task));
    assert_string_equal(task.job, "b"); /* the one that failed stands behind */
    watch_ended(rig->watch, task.number, WATCH_FAILED, now);
    assert_int_equal(watch_due_ms(rig->watch), now + 2 * WATCH_RETRY_MS);
    for (int i = 0; i < 10; i++) {
        now = watch_due_ms(rig->watch);
        assert_true(watch_next(rig->watch, now, &task));
        watch_ended(rig->watch, task.number, WATCH_FAILED, now);
    }
    assert_int_equal(watch_due_ms(rig->watch), now + WATCH_RETRY_MAX_MS);
    assert_true(watch_next(rig->watch, now + WATCH_RETRY_MAX_MS, &task));
    watch_ended(rig->watch, task.number, WATCH_WRITTEN, now);
    assert_int_equal(watch_failed_n(rig->watch), 1);
    assert_true(watch_next(rig->watch, now, &task)); /* the disk is well again: no waiting */
    watch_ended(rig->watch, task.number, WATCH_GIVEN_UP, now);
    commit(rig);
    assert_int_equal(rig->committed, 4);
    rig_free(rig);
}

static void a_partition_that_left_takes_its_jobs_along(void **state)
{
    (void)state;
    rig_t *rig = rig_new();
    watch_task_t task;
    log_start(rig, "a");
    log_start(rig, "b");
    log_end(rig, "a");
    log_end(rig, "b");
    read_to(rig, 0, 4);
    assert_true(watch_next(rig->watch, 0, &task));
    watch_revoked(rig->watch, PARTITION);
    watch_ended(rig->watch, task.number, WATCH_WRITTEN, 0);
    assert_int_equal(watch_waiting_n(rig->watch), 0);
    expect_nothing_to_write(rig);
    read_to(rig, 0, 4); /* records that were on their way */
    assert_int_equal(rig->watch->open_n, 0);
    rig_free(rig);
}

static void a_gap_loses_the_jobs_that_began_in_it(void **state)
{
    (void)state;
    rig_t *rig = rig_new();
    const char *const names[] = {"a", "b", "c", "d"};
    for (int i = 0; i < 4; i++)
        log_start(rig, names[i]);
    read_to(rig, 0, 4);
    commit(rig);
    assert_int_equal(watch_gap(rig->watch, PARTITION, 6), 4);
    start_instance(rig);
    assert_int_equal(watch_gap(rig->watch, PARTITION, 2), 2); /* named by the commit, never read here */
    read_to(rig, 2, 4);
    assert_int_equal(rig->watch->open_n, 2);
    assert_int_equal(watch_gap(rig->watch, PARTITION, 1), 0);
    rig_free(rig);
}

static void foreign_records_change_nothing(void **state)
{
    (void)state;
    rig_t *rig = rig_new();
    buf_append(&append(rig, "x")->value, "\xc1", 1);
    log_start(rig, "y");
    snprintf(rig->log[1].key, sizeof rig->log[1].key, "z"); /* a start under another key */
    log_end(rig, "no-such-job");
    assert_false(read_to(rig, 0, 3));
    assert_int_equal(rig->watch->open_n, 0);
    commit(rig);
    assert_int_equal(rig->committed, 3);
    rig_free(rig);
}

static void more_open_jobs_than_a_commit_names(void **state)
{
    (void)state;
    static gathered_t gathered, read;
    buf_t b = {0};
    gathered.until = (int64_t)GATHERED_OPEN_MAX * 100000;
    gathered.open_n = GATHERED_OPEN_MAX;
    for (int64_t i = 0; i < GATHERED_OPEN_MAX; i++)
        gathered.open[i] = 5 + i * 1000;
    gathered_encode(&b, 5, &gathered);
    assert_true(b.len <= GATHERED_BYTES_MAX);
    assert_true(gathered_decode((const char *)b.data, b.len, 5, &read));
    assert_in_range(read.open_n, 900, GATHERED_OPEN_MAX - 1);
    assert_int_equal(read.until, gathered.open[read.open_n]); /* from the first that did not fit on nothing is known */
    assert_memory_equal(read.open, gathered.open, read.open_n * sizeof read.open[0]);
    assert_false(gathered_decode("", 0, 5, &read));
    assert_false(gathered_decode("AAAA", 4, 5, &read));
    buf_free(&b);
}

/* ---- any order of events ---- */

static const char *const names[JOBS] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"};

static void write_one(rig_t *rig, uint64_t roll)
{
    watch_task_t task;
    if (!watch_next(rig->watch, INT64_MAX / 2, &task))
        return;
    if (roll % 4 == 0) {
        watch_ended(rig->watch, task.number, WATCH_FAILED, 0);
        return;
    }
    assert_false(is_whole(rig, task.job, 0)); /* never twice */
    for (int i = 0; i < JOBS; i++)
        if (strcmp(names[i], task.job) == 0)
            rig->files[rig->files_n++] = names[i];
    if (roll % 8 != 1) /* else killed between the two */
        watch_ended(rig->watch, task.number, WATCH_WRITTEN, 0);
    else
        start_instance(rig);
}

static void run_seed(uint64_t seed)
{
    rig_t *rig = rig_new();
    random_t random;
    random_seed(&random, seed);
    int begun = 0;
    bool has_ended[JOBS] = {0};
    int64_t position = 0;
    while (rig->files_n < JOBS && rig->log_n < LOG_MAX) {
        uint64_t roll = random_next(&random);
        if (roll % 5 == 0 && begun < JOBS)
            log_start(rig, names[begun++]);
        int pick = (int)(roll / 7 % JOBS);
        if (roll % 5 == 1 && pick < begun && !has_ended[pick]) {
            log_end(rig, names[pick]);
            has_ended[pick] = true;
        }
        if (roll % 11 == 0)
            commit(rig);
        if (roll % 13 == 0)
            start_instance(rig);
        watch_commit_t ignored;
        if (roll % 17 == 0 && watch_next_commit(rig->watch, &ignored))
            watch_commit_failed(rig->watch, PARTITION);
        position = roll % 13 == 0 ? rig->committed : position;
        int64_t to = rig->log_n < position + 2 ? rig->log_n : position + 2;
        read_to(rig, rig->committed, to); /* what it has read it ignores */
        position = to;
        write_one(rig, roll / 3);
    }
    assert_int_equal(rig->files_n, JOBS);
    rig_free(rig);
}

static void every_job_gets_its_file_once(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++)
        run_seed(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_is_written_when_it_has_ended),
        cmocka_unit_test(what_is_committed_is_not_written_again),
        cmocka_unit_test(what_was_written_after_the_commit_is_found),
        cmocka_unit_test(a_failing_disk_is_tried_again_ever_later),
        cmocka_unit_test(a_partition_that_left_takes_its_jobs_along),
        cmocka_unit_test(a_gap_loses_the_jobs_that_began_in_it),
        cmocka_unit_test(foreign_records_change_nothing),
        cmocka_unit_test(more_open_jobs_than_a_commit_names),
        cmocka_unit_test(every_job_gets_its_file_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
