/* Delivery reports of a map's records. */
#include "client/mapping/mapping.h"

/* Kafka will never store it. */
static void fail_refused(fanmap_job_t *job, const char *what, const fanmap_error_t *err)
{
    fanmap_error_t why = *err;
    err_wrap(&why, "storing %s of job %s", what, job->id);
    job->mapping->is_giving_up = false;
    job_fail(job, &why);
}

void map_stored(void *arg, queue_topic_t topic, uint64_t value, int32_t partition, int64_t offset,
                const fanmap_error_t *err)
{
    fanmap_job_t *job = arg;
    mapping_t *m = job->mapping;
    if (!m->producer && !map_has_failed(job))
        resubmit_clock_stored(m->resubmit);
    if (!m->producer || map_has_failed(job))
        return;
    if (err && (topic != TOPIC_ITEMS || err->code != FANMAP_EUSAGE)) { /* which is: too large */
        fail_refused(job, topic == TOPIC_ITEMS ? "an item" : "a record", err);
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
