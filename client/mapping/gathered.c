/* The job's own log, as far as its producer must know it: newer announcements, what is known and waits, the end. */
#include <stdio.h>
#include <string.h>

#include "client/connection/log_queries.h"
#include "client/mapping/mapping.h"

enum {
    CHECK_RETRY_MS = 500,
    READING_MS = 20 /* what is fetched mostly says it sooner than an answer would */
};

/* A newer announcement than its own stops a producer. */
static void pass_announcement(fanmap_job_t *job, const char *announced)
{
    mapping_t *m = job->mapping;
    if (strcmp(announced, m->passed.announced) == 0)
        return;
    snprintf(m->passed.announced, sizeof m->passed.announced, "%s", announced);
    map_step(job, &(producer_event_t){.type = PRODUCER_ANNOUNCED, .announced = m->passed.announced});
}

/* With an outcome more, and when what waits no longer stops the producer. */
static void pass_known(fanmap_job_t *job, uint64_t known)
{
    mapping_t *m = job->mapping;
    uint64_t waiting_bytes = job->is_abandoned ? 0 : gather_waiting_bytes(job);
    bool is_relieved = m->passed.waiting_bytes > m->spill_bytes && waiting_bytes <= m->spill_bytes / 2;
    if (known == m->passed.known && !is_relieved)
        return;
    m->passed.known = known;
    m->passed.waiting_bytes = waiting_bytes;
    map_step(job, &(producer_event_t){.type = PRODUCER_KNOWN, .known = known, .waiting_bytes = waiting_bytes});
}

/* The first check wants the log's end as it is behind our announcement. Whoever fetched that was told an end by the same answer,
 * and so need not ask. */
static void look_by_reading(fanmap_job_t *job, const list_t *list)
{
    mapping_t *m = job->mapping;
    const char *announced = list_producer(list);
    if (!m->log_check.by_reading || !announced || strcmp(announced, producer_announcement(m->producer)) != 0)
        return;
    int64_t end = gather_told_end(job);
    if (end < 0 || gather_position(job) < end)
        return;
    m->log_check.by_reading = false;
    m->log_check.at_ms = INT64_MAX;
    m->log_check.until = end;
}

static void answer_log_check(fanmap_job_t *job, const list_t *list)
{
    mapping_t *m = job->mapping;
    look_by_reading(job, list);
    if (m->log_check.until < 0 || gather_position(job) < m->log_check.until)
        return;
    m->log_check.until = -1;
    map_step(job, &(producer_event_t){.type = PRODUCER_LOG_CHECKED,
                                      .announced = list_producer(list),
                                      .closed = gather_is_closed(job),
                                      .has_input = list_now(list)->total >= 0,
                                      .reason = gather_decision(job)->reason});
}

static bool is_listening(const fanmap_job_t *job)
{
    return !job->mapping->is_finished && !job->error.code;
}

void map_gathered(fanmap_job_t *job)
{
    mapping_t *m = job->mapping;
    const list_t *list = gather_list(job);
    if (!m->producer || !list)
        return;
    waiting_gathered(job);
    if (is_listening(job))
        pass_announcement(job, list_producer(list));
    if (!m->passed.is_halting && list_now(list)->is_halting) {
        m->passed.is_halting = true;
        map_simple_step(job, PRODUCER_HALTED);
    }
    if (is_listening(job))
        pass_known(job, list_now(list)->known);
    answer_log_check(job, list);
    if (m->passed.is_decided || !gather_decision(job)->is_decided)
        return;
    m->passed.is_decided = true;
    m->log_check.until = -1; /* nothing more is read */
    m->log_check.by_reading = false;
    map_step(job, &(producer_event_t){
                      .type = PRODUCER_DECIDED, .reason = gather_decision(job)->reason, .counts = list_counts(list)});
}

void map_read_log(fanmap_job_t *job)
{
    fanmap_error_t err;
    if (gather_list(job))
        return;
    job->spec.start_offset = producer_spec(job->mapping->producer)->start_offset;
    if (job->spec.start_offset >= 0 && gather_begin(job, &err) != FANMAP_OK)
        job_fail(job, &err);
}

static void on_log_end(fanmap_job_t *job, int32_t tag, const bus_answer_t *answer)
{
    int64_t end = answer->value;
    mapping_t *m = job->mapping;
    (void)tag;
    if (m->log_check.until != INT64_MAX || map_has_failed(job))
        return;
    if (end < 0) {
        m->log_check.at_ms = loop_now_ms(job->f->loop) + CHECK_RETRY_MS;
    } else {
        m->log_check.until = end;
        map_gathered(job);
    }
    map_arm(job);
}

static void ask_log_end(fanmap_job_t *job)
{
    mapping_t *m = job->mapping;
    fanmap_error_t err;
    m->log_check.at_ms = INT64_MAX;
    const bus_request_t request = {.kind = BUS_FIND_END, .partition = (int32_t)job->spec.results_partition};
    if (log_query(job, job->queue->results, &request, on_log_end, 0, &err) != FANMAP_OK)
        job_fail(job, &err);
}

void map_check_log(fanmap_job_t *job)
{
    mapping_t *m = job->mapping;
    m->log_check.until = INT64_MAX;
    m->log_check.by_reading = !m->log_check.was_begun && !m->resubmit && !job->f->is_local;
    m->log_check.was_begun = true;
    if (m->log_check.by_reading)
        m->log_check.at_ms = loop_now_ms(job->f->loop); /* not from inside a step */
    else
        ask_log_end(job);
}

void map_check_log_due(fanmap_job_t *job)
{
    mapping_t *m = job->mapping;
    if (m->log_check.by_reading && !m->log_check.is_late) {
        m->log_check.is_late = true;
        m->log_check.at_ms = loop_now_ms(job->f->loop) + READING_MS;
        map_gathered(job);
        return;
    }
    m->log_check.by_reading = false;
    ask_log_end(job);
}
