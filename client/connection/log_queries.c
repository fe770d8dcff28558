/* Questions to the bus about one partition, whose answers may come when the job is gone: they carry its number. */
#include <stdlib.h>

#include "client/connection/client.h"

struct check {
    check_t *next;
    fanmap_t *f;
    uint32_t number;
    check_fn fn;
    int32_t tag;
};

static void forget(check_t *check)
{
    check_t **at = &check->f->checks;
    while (*at != check)
        at = &(*at)->next;
    *at = check->next;
    free(check);
}

void checks_free(fanmap_t *f)
{
    while (f->checks)
        forget(f->checks);
}

static void on_answer(void *arg, int64_t offset)
{
    check_t *check = arg;
    fanmap_job_t *job = job_by_number(check->f, check->number);
    check_fn fn = check->fn;
    int32_t tag = check->tag;
    forget(check);
    if (job && (!job->error.code || job->is_giving_up))
        fn(job, tag, offset);
}

static check_t *check_new(fanmap_job_t *job, check_fn fn, int32_t tag, fanmap_error_t *err)
{
    check_t *check = malloc(sizeof *check);
    if (!check) {
        err_set(err, FANMAP_ENOMEM, "out of memory");
        return NULL;
    }
    *check = (check_t){job->f->checks, job->f, job->number, fn, tag};
    return job->f->checks = check;
}

int check_end(fanmap_job_t *job, bus_topic_t *topic, int32_t partition, check_fn fn, int32_t tag, fanmap_error_t *err)
{
    check_t *check = check_new(job, fn, tag, err);
    int r = check ? bus_query_end(topic, partition, on_answer, check, err) : FANMAP_ENOMEM;
    if (check && r != FANMAP_OK)
        forget(check);
    return r;
}

int check_members(fanmap_job_t *job, bus_topic_t *topic, const char *group_id, check_fn fn, fanmap_error_t *err)
{
    check_t *check = check_new(job, fn, 0, err);
    int r = check ? bus_query_members(topic, group_id, on_answer, check, err) : FANMAP_ENOMEM;
    if (check && r != FANMAP_OK)
        forget(check);
    return r;
}

int check_time(fanmap_job_t *job, bus_topic_t *topic, int32_t partition, int64_t time_ms, check_fn fn, int32_t tag,
               fanmap_error_t *err)
{
    check_t *check = check_new(job, fn, tag, err);
    int r = check ? bus_query_time(topic, partition, time_ms, on_answer, check, err) : FANMAP_ENOMEM;
    if (check && r != FANMAP_OK)
        forget(check);
    return r;
}
