#include "client/connection/client.h"

#define COOKIE_VALUE_MASK ((UINT64_C(1) << COOKIE_VALUE_BITS) - 1)

static fanmap_job_t *delivered_job(void *arg, uint64_t cookie)
{
    fanmap_job_t *job = job_by_number(arg, (uint32_t)(cookie >> COOKIE_VALUE_BITS));
    if (!job || !job->producer || (job->error.code && !job->is_giving_up))
        return NULL;
    return job;
}

static void refused(fanmap_job_t *job, const char *what, const fanmap_error_t *err)
{
    fanmap_error_t why = *err;
    err_wrap(&why, "storing %s of job %s", what, job->id);
    job->is_giving_up = false;
    job_fail(job, &why);
}

/* True: it was a record of a call of admin.h. */
static bool control_stored(void *arg, uint64_t cookie, const fanmap_error_t *err)
{
    fanmap_job_t *job = job_by_number(arg, (uint32_t)(cookie >> COOKIE_VALUE_BITS));
    if (!job || !job->is_control)
        return false;
    job->control_left--;
    if (err)
        refused(job, "a record", err);
    return true;
}

void map_item_delivered(void *arg, uint64_t cookie, int32_t partition, int64_t offset, const fanmap_error_t *err)
{
    if (control_stored(arg, cookie, err))
        return;
    fanmap_job_t *job = delivered_job(arg, cookie);
    if (!job)
        return;
    if (err && err->code != FANMAP_EUSAGE) { /* which is: too large */
        refused(job, "an item", err);
        return;
    }
    producer_event_t event = {.type = err ? PRODUCER_ITEM_REFUSED : PRODUCER_ITEM_STORED,
                              .index = cookie & COOKIE_VALUE_MASK,
                              .partition = partition,
                              .offset = offset};
    map_step(job, &event);
    stash_send(job);
}

/* The job's log begins where `start` was stored. */
void map_read_log(fanmap_job_t *job)
{
    fanmap_error_t err;
    if (job->list)
        return;
    job->spec.start_offset = producer_spec(job->producer)->start_offset;
    if (job->spec.start_offset >= 0 && gather_begin(job, &err) != FANMAP_OK)
        job_fail(job, &err);
}

static void stored(void *arg, producer_event_type_t type, uint64_t cookie, int64_t offset, const fanmap_error_t *err)
{
    if (control_stored(arg, cookie, err))
        return;
    fanmap_job_t *job = delivered_job(arg, cookie);
    if (!job)
        return;
    if (err) {
        refused(job, "a record", err);
        return;
    }
    map_step(job, &(producer_event_t){.type = type, .cookie = cookie & COOKIE_VALUE_MASK, .offset = offset});
    map_read_log(job);
    stash_send(job);
}

void map_log_delivered(void *arg, uint64_t cookie, int32_t partition, int64_t offset, const fanmap_error_t *err)
{
    (void)partition;
    stored(arg, PRODUCER_LOG_STORED, cookie, offset, err);
}

void map_jobs_delivered(void *arg, uint64_t cookie, int32_t partition, int64_t offset, const fanmap_error_t *err)
{
    (void)partition;
    stored(arg, PRODUCER_JOBS_STORED, cookie, offset, err);
}
