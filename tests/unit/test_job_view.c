/* What the records of the jobs topic come to, of one job. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client/joblog/job_view.h"

static void spec(job_view_t *view, uint64_t concurrency)
{
    job_view_record(view, &(jobs_record_t){.field = JOBS_SPEC, .spec = {.concurrency = concurrency}});
}

static void versioned(job_view_t *view, jobs_field_t field, uint64_t value, uint64_t version)
{
    job_view_record(view, &(jobs_record_t){.field = field, .value = value, .version = version});
}

static void tombstone(job_view_t *view, jobs_field_t field)
{
    job_view_record(view, &(jobs_record_t){.field = field, .tombstone = true});
}

static void test_versions(void **state)
{
    job_view_t view = {0};
    (void)state;
    spec(&view, 5);
    assert_true(view.is_known);
    assert_int_equal(view.concurrency, 5);
    versioned(&view, JOBS_CONCURRENCY, 9, 0); /* the spec's own is version 0 */
    assert_int_equal(view.concurrency, 5);
    versioned(&view, JOBS_CONCURRENCY, 7, 2);
    versioned(&view, JOBS_CONCURRENCY, 8, 2);
    versioned(&view, JOBS_CONCURRENCY, 6, 1);
    assert_int_equal(view.concurrency, 7);
    spec(&view, 3); /* said again when the job is submitted again */
    assert_int_equal(view.concurrency, 7);
    versioned(&view, JOBS_PAUSED, 1, UINT64_MAX);
    versioned(&view, JOBS_PAUSED, 0, UINT64_MAX);
    assert_true(view.paused);
}

/* topics --clean forgets a job field by field, and its id may be used again. */
static void test_an_id_that_is_used_again(void **state)
{
    job_view_t view = {0};
    (void)state;
    spec(&view, 5);
    versioned(&view, JOBS_CONCURRENCY, 7, 2);
    versioned(&view, JOBS_PAUSED, 1, 1);
    job_view_record(&view, &(jobs_record_t){.field = JOBS_END, .end_reason = END_CANCEL});
    assert_true(view.has_end);
    for (int field = JOBS_SPEC; field <= JOBS_HALT; field++)
        tombstone(&view, (jobs_field_t)field);
    assert_false(view.is_known || view.has_end || view.paused);
    spec(&view, 4);
    assert_true(view.is_known && !view.has_end);
    assert_int_equal(view.concurrency, 4);
    versioned(&view, JOBS_CONCURRENCY, 2, 1);
    assert_int_equal(view.concurrency, 2);
    tombstone(&view, JOBS_CONCURRENCY);
    assert_int_equal(view.concurrency, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_an_id_that_is_used_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
