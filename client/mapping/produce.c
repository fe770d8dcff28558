/* Carries out what the producer core says: its records go to the bus, in order; what the bus has no room for waits in
 * the stash, which is bounded because a map takes no items while anything is in it. A delivery
 * report for a job that is gone finds nobody (publisher.h).
 *
 * The stash is tried again after a report for this job, and by the timer: the bus may be full of what others wrote.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "client/mapping/mapping.h"

enum { STASH_RETRY_MS = 10 };

struct stash_entry {
    stash_entry_t *next;
    producer_action_type_t type;
    int32_t partition;
    uint64_t cookie;
    size_t key_len, value_len;
    char bytes[]; /* key, value */
};

bool map_has_failed(const fanmap_job_t *job)
{
    return job->error.code && !job->mapping->is_giving_up;
}

void map_arm(fanmap_job_t *job)
{
    mapping_t *m = job->mapping;
    bool is_idle = m->is_finished || map_has_failed(job);
    int64_t at = is_idle ? INT64_MAX : earlier(producer_next_ms(m->producer), m->deadline_ms);
    if (!is_idle)
        at = earlier(at, m->log_check.at_ms);
    if (!is_idle && m->stash.first)
        at = earlier(at, loop_now_ms(job->f->loop) + STASH_RETRY_MS);
    if (at == m->timer_ms)
        return;
    m->timer_ms = at;
    if (at == INT64_MAX)
        loop_timer_stop(m->timer);
    else
        loop_timer_at(m->timer, at);
}

static int send_record(fanmap_job_t *job, producer_action_type_t type, int32_t partition, const void *key,
                       size_t key_len, const void *value, size_t value_len, uint64_t cookie, fanmap_error_t *err)
{
    queue_topic_t topic = type == PRODUCER_PUT_ITEM  ? TOPIC_ITEMS
                          : type == PRODUCER_PUT_LOG ? TOPIC_RESULTS
                                                     : TOPIC_JOBS;
    return publisher_put(&job->mapping->publisher, job->queue, topic, partition, key, key_len, value, value_len, cookie,
                         err);
}

static void stash_put(fanmap_job_t *job, const producer_action_t *a, int32_t partition, const char *key, size_t key_len)
{
    mapping_t *m = job->mapping;
    stash_entry_t *entry = malloc(sizeof *entry + key_len + a->value_len);
    fanmap_error_t err;
    if (!entry) {
        err_set(&err, FANMAP_ENOMEM, "out of memory for a record that waits for Kafka");
        job_fail(job, &err);
        return;
    }
    *entry = (stash_entry_t){NULL, a->type, partition, a->cookie, key_len, a->value_len};
    memcpy(entry->bytes, key, key_len);
    if (a->value_len)
        memcpy(entry->bytes + key_len, a->value, a->value_len);
    *m->stash.last = entry;
    m->stash.last = &entry->next;
}

void stash_send(fanmap_job_t *job)
{
    mapping_t *m = job->mapping;
    fanmap_error_t err;
    while (m->stash.first) {
        stash_entry_t *e = m->stash.first;
        int r = send_record(job, e->type, e->partition, e->bytes, e->key_len, e->bytes + e->key_len, e->value_len,
                            e->cookie, &err);
        if (r == FANMAP_AGAIN)
            return;
        if (r != FANMAP_OK) {
            stash_free(&m->stash);
            job_fail(job, &err);
            return;
        }
        m->stash.first = e->next;
        if (!e->next)
            m->stash.last = &m->stash.first;
        free(e);
    }
}

void stash_free(stash_t *stash)
{
    while (stash->first) {
        stash_entry_t *entry = stash->first;
        stash->first = entry->next;
        free(entry);
    }
    stash->last = &stash->first;
}

static void put_record(fanmap_job_t *job, const producer_action_t *a)
{
    fanmap_error_t err;
    bool is_jobs = a->type == PRODUCER_PUT_JOBS;
    const char *key = is_jobs ? a->key : job->id;
    int32_t partition = is_jobs ? 0 : a->type == PRODUCER_PUT_LOG ? (int32_t)job->spec.results_partition : a->partition;
    int r = FANMAP_AGAIN;
    if (!job->mapping->stash.first)
        r = send_record(job, a->type, partition, key, strlen(key), a->value, a->value_len, a->cookie, &err);
    if (r == FANMAP_AGAIN)
        stash_put(job, a, partition, key, strlen(key));
    else if (r != FANMAP_OK)
        job_fail(job, &err);
}

static void on_table(void *arg, const char *job_id, const char *nonce, bool created, const fanmap_error_t *err)
{
    fanmap_t *f = arg;
    fanmap_job_t *job = f->jobs;
    while (job && (!job->mapping || strcmp(job->id, job_id) != 0 || strcmp(job->spec.nonce, nonce) != 0))
        job = job->next;
    if (!job)
        return;
    if (err && err->code == FANMAP_EREFUSED) {
        client_fail(f, err);
        return;
    }
    if (err)
        client_log(f, FANMAP_LOG_WARNING, "%s; the job starts when a worker reaches Redis", err->message);
    map_step(job, &(producer_event_t){.type = PRODUCER_TABLE, .ok = created});
}

/* ---- steps ---- */

static void carry_out(fanmap_job_t *job, const producer_action_t *a)
{
    mapping_t *m = job->mapping;
    fanmap_t *f = job->f;
    tokens_port_t *tokens = f->tokens;
    switch (a->type) {
    case PRODUCER_CREATE_TABLE:
        tokens->create(tokens, job->id, job->spec.nonce, job->spec.concurrency, job->spec.lease_ms, on_table, f);
        break;
    case PRODUCER_PUT_LOG:
    case PRODUCER_PUT_JOBS:
    case PRODUCER_PUT_ITEM:
        put_record(job, a);
        break;
    case PRODUCER_CHECK_LOG:
        map_check_log(job);
        break;
    case PRODUCER_READ_LOG:
        map_read_log(job);
        break;
    case PRODUCER_SCAN:
        resubmit_scan(m->resubmit);
        break;
    case PRODUCER_FINISHED:
        m->is_finished = true;
        break;
    case PRODUCER_FAILED:
        m->is_giving_up = false;
        job_fail(job, &a->error);
        break;
    }
}

void map_step(fanmap_job_t *job, producer_event_t *event)
{
    mapping_t *m = job->mapping;
    event->now_ms = loop_recent_ms(job->f->loop);
    producer_actions_clear(&m->actions);
    producer_step(m->producer, event, &m->actions);
    for (size_t i = 0; i < m->actions.n && !map_has_failed(job); i++)
        carry_out(job, &m->actions.at[i]);
    if (!m->is_cut && producer_is_cut(m->producer)) {
        m->is_cut = m->input_ended = true;
        m->pushed = producer_published(m->producer);
    }
    if (m->actions.failed) {
        fanmap_error_t err;
        m->is_giving_up = false;
        err_set(&err, FANMAP_ENOMEM, "out of memory for a producer");
        job_fail(job, &err);
    }
    map_arm(job);
}

void map_simple_step(fanmap_job_t *job, producer_event_type_t type)
{
    map_step(job, &(producer_event_t){.type = type});
}

bool map_can_be_cancelled(const fanmap_job_t *job)
{
    return job->mapping && job->mapping->producer && !gather_decision(job)->is_decided && !job->error.code;
}

void map_give_up(fanmap_job_t *job, const fanmap_error_t *err)
{
    if (map_can_be_cancelled(job)) {
        job->mapping->is_giving_up = true;
        map_simple_step(job, PRODUCER_CANCEL);
    }
    job->is_detached = true;
    job_fail(job, err);
}

void map_on_timer(void *arg)
{
    fanmap_job_t *job = arg;
    mapping_t *m = job->mapping;
    int64_t now = loop_now_ms(job->f->loop);
    m->timer_ms = INT64_MAX; /* it fires once */
    stash_send(job);
    if (now >= m->log_check.at_ms)
        map_check_log_due(job);
    producer_event_t event = {.type = PRODUCER_TICK};
    if (now >= m->deadline_ms) {
        m->deadline_ms = INT64_MAX;
        event = (producer_event_t){.type = PRODUCER_CANCEL, .reason = END_DEADLINE};
    }
    map_step(job, &event);
}
