/* What the jobs topic says of a job: to whoever looks one up and to lists of all, the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/joblog/lookup.h"

#define OK(call) assert_int_equal(call, FANMAP_OK)
enum { TURNS_MAX = 1000 };
static const char JOB[] = "j1";

typedef struct {
    loop_t *loop;
    bus_t *bus;
    queue_t queue;
    bool is_answered;
    job_view_t seen;
} rig_t;

static void on_topics(void *arg, const uint32_t *partitions_n, const fanmap_error_t *err)
{
    (void)arg, (void)partitions_n;
    assert_null(err);
}

static void on_stored(void *arg, uint64_t cookie, int32_t partition, int64_t offset, const fanmap_error_t *err)
{
    (void)arg, (void)cookie, (void)partition, (void)offset;
    assert_null(err);
}

static void rig_open(rig_t *rig)
{
    *rig = (rig_t){0};
    OK(loop_new(&rig->loop, NULL));
    OK(bus_open_memory(rig->loop, &rig->bus, NULL));
    OK(bus_topic_open(rig->bus, "n.jobs", on_stored, rig, &rig->queue.jobs, NULL));
    /* Not compacted, as a topic is that Kafka has not compacted yet: what was taken back is still read. */
    const bus_topic_config_t topic = {"n.jobs", 1, false, -1, 1 << 20};
    OK(bus_ensure_topics(rig->bus, &topic, 1, true, on_topics, rig, NULL));
}

static void rig_close(rig_t *rig)
{
    bus_close(rig->bus, 0);
    loop_free(rig->loop);
}

static void put(rig_t *rig, jobs_field_t field, buf_t *value)
{
    char key[JOB_ID_MAX + 17];
    size_t len = jobs_key(key, sizeof key, JOB, field);
    OK(bus_produce(rig->queue.jobs, 0, key, len, value ? value->data : NULL, value ? value->len : 0, 0, NULL));
    if (value)
        buf_free(value);
}

static void put_spec(rig_t *rig, uint64_t concurrency)
{
    spec_t spec;
    buf_t value = {0};
    spec_init(&spec);
    snprintf(spec.job, sizeof spec.job, "%s", JOB);
    snprintf(spec.task, sizeof spec.task, "t");
    snprintf(spec.queue, sizeof spec.queue, "q");
    spec.items_partitions = 1;
    spec.start_offset = 0;
    spec.concurrency = concurrency;
    jobs_encode_spec(&value, &spec);
    put(rig, JOBS_SPEC, &value);
}

static void put_versioned(rig_t *rig, jobs_field_t field, uint64_t number, uint64_t version)
{
    buf_t value = {0};
    jobs_encode_versioned(&value, number, version);
    put(rig, field, &value);
}

static void put_end(rig_t *rig)
{
    buf_t value = {0};
    jobs_encode_end(&value, END_COMPLETE);
    put(rig, JOBS_END, &value);
}

/* As a clean does. */
static void forget(rig_t *rig)
{
    for (int field = JOBS_SPEC; field <= JOBS_HALT; field++)
        put(rig, (jobs_field_t)field, NULL);
}

static void on_looked_up(void *arg, const lookup_result_t *result)
{
    rig_t *rig = arg;
    rig->seen = result->view;
    rig->is_answered = true;
}

static job_view_t look_up(rig_t *rig)
{
    lookup_t *lookup;
    rig->is_answered = false;
    OK(lookup_begin(&rig->queue, JOB, on_looked_up, rig, &lookup, NULL));
    for (int i = 0; i < TURNS_MAX && !rig->is_answered; i++)
        assert_true(loop_run_once(rig->loop, 100) >= 0);
    assert_true(rig->is_answered);
    lookup_free(lookup);
    return rig->seen;
}

static void nothing_is_said_of_a_stranger(void **state)
{
    (void)state;
    rig_t rig;
    rig_open(&rig);
    assert_false(look_up(&rig).is_known);
    rig_close(&rig);
}

static void a_job_is_found_with_what_was_changed(void **state)
{
    (void)state;
    rig_t rig;
    rig_open(&rig);
    put_spec(&rig, 4);
    put_versioned(&rig, JOBS_CONCURRENCY, 9, 2);
    put_versioned(&rig, JOBS_CONCURRENCY, 7, 1); /* an older one that comes late */
    put_versioned(&rig, JOBS_PAUSED, 1, 1);
    put_end(&rig);
    job_view_t job = look_up(&rig);
    assert_true(job.is_known && job.paused && job.has_end);
    assert_int_equal(job.concurrency, 9);
    assert_int_equal(job.concurrency_version, 2);
    rig_close(&rig);
}

static void a_job_that_was_forgotten_is_not_known(void **state)
{
    (void)state;
    rig_t rig;
    rig_open(&rig);
    put_spec(&rig, 4);
    put_end(&rig);
    forget(&rig);
    assert_false(look_up(&rig).is_known);
    rig_close(&rig);
}

static void an_id_that_was_forgotten_and_is_used_again_runs(void **state)
{
    (void)state;
    rig_t rig;
    rig_open(&rig);
    put_spec(&rig, 4);
    put_versioned(&rig, JOBS_CONCURRENCY, 9, 3);
    put_versioned(&rig, JOBS_PAUSED, 1, 1);
    put_end(&rig);
    forget(&rig);
    put_spec(&rig, 2);
    job_view_t job = look_up(&rig);
    assert_true(job.is_known);
    assert_false(job.has_end); /* else no cancel, pause or limit would reach it */
    assert_false(job.paused);
    assert_int_equal(job.concurrency, 2);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_said_of_a_stranger),
        cmocka_unit_test(a_job_is_found_with_what_was_changed),
        cmocka_unit_test(a_job_that_was_forgotten_is_not_known),
        cmocka_unit_test(an_id_that_was_forgotten_and_is_used_again_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
