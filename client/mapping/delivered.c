/* Delivery reports of a map's records. */
#include "client/connection/client.h"

static void refused(fanmap_job_t *job, const char *what, const fanmap_error_t *err)
{
    fanmap_error_t why = *err;
    err_wrap(&why, "storing %s of job %s", what, job->id);
    job->is_giving_up = false;
    job_fail(job, &why);
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

void map_stored(void *arg, queue_topic_t topic, uint64_t value, int32_t partition, int64_t offset,
                const fanmap_error_t *err)
{
    fanmap_job_t *job = arg;
    if (!job->producer || (job->error.code && !job->is_giving_up))
        return;
    if (err && (topic != TOPIC_ITEMS || err->code != FANMAP_EUSAGE)) { /* which is: too large */
        refused(job, topic == TOPIC_ITEMS ? "an item" : "a record", err);
        return;
    }
    producer_event_t event = {.partition = partition, .offset = offset};
    if (topic == TOPIC_ITEMS) {
        event.type = err ? PRODUCER_ITEM_REFUSED : PRODUCER_ITEM_STORED;
        event.index = value;
    } else {
        event.type = topic == TOPIC_RESULTS ? PRODUCER_LOG_STORED : PRODUCER_JOBS_STORED;
        event.cookie = value;
    }
    map_step(job, &event);
    if (topic != TOPIC_ITEMS)
        map_read_log(job);
    stash_send(job);
}
