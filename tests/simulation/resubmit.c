/* A job id that is submitted again: what client/mapping/resubmit.c does, and what must hold of it. */
#include <stdlib.h>
#include <string.h>

#include "faults.h"
#include "schemas/item.h"
#include "schemas/place.h"

enum { SILENT_MS = 10000, TAKEN_MS = 10000, AGAIN_MS = 3000 };

void resubmit_input(buf_t *b, const maker_t *m, uint64_t index)
{
    plan_input(b, m->job->hash, index == m->wrong_at ? index + ITEMS_MAX : index);
}

/* ---- reading the log ---- */

static void on_outcome(void *arg, const outcome_t *outcome)
{
    prior_outcome(&((maker_t *)arg)->known, outcome);
}

static void on_decided(void *arg, uint64_t n, list_state_t state, end_reason_t reason, fanmap_kind_t missing)
{
    (void)n;
    (void)missing;
    ((maker_t *)arg)->known.reason = reason;
    ((maker_t *)arg)->known.is_closed = state == LIST_CLOSED;
}

static void read_record(maker_t *m, list_t *list, int64_t offset, const record_t *record)
{
    joblog_record_t decoded;
    bool was_open = list_state(list) == LIST_OPEN;
    bool counts = list_record(list, offset, record->key, record->key_len, record->value, record->value_len);
    if (was_open && counts && record->key_len == strlen(m->job->id) &&
        memcmp(record->key, m->job->id, record->key_len) == 0 &&
        joblog_decode(record->value, record->value_len, &decoded) && decoded.type == JOBLOG_PROGRESS)
        prior_progress(&m->known, &decoded.progress, list_producer(list));
}

static void read_log(sim_t *sim, maker_t *m)
{
    const job_t *job = m->job;
    int32_t partition = (int32_t)job->spec.results_partition;
    list_t *list = list_new(job->id, &(list_callbacks_t){.outcome = on_outcome, .decided = on_decided}, m);
    if (list == NULL || !prior_init(&m->known, job->id, job->spec.items_partitions))
        abort();
    for (int64_t offset = job->start_offset; offset < kafka_log_end(sim, TOPIC_RESULTS, partition); offset++)
        read_record(m, list, offset, kafka_record(sim, TOPIC_RESULTS, partition, offset));
    prior_input(&m->known, list_input_n(list));
    m->known.is_halting = list_now(list)->is_halting;
    list_free(list);
    if (!sim_protects(sim, PROTECTION_CHAIN))
        m->known.marks_n = 0;
}

/* So many items have their chain in the log. */
static uint64_t compared_n(const maker_t *m)
{
    return m->known.total >= 0 ? (uint64_t)m->known.total : m->known.prefix;
}

/* It was still on its way when another program looked, which went on behind it: whoever comes later is not told to look
 * there. */
static bool came_late(const maker_t *m, const process_t *by, int32_t partition, int64_t offset)
{
    const maker_t *last = NULL;
    for (size_t i = 0; i < m->job->makers_n; i++) {
        const maker_t *other = m->job->makers[i];
        bool looked_before = other != m && other->scan > 0 && other->scanned_to[partition] <= offset;
        if (looked_before && (last == NULL || other->scan > last->scan))
            last = other;
    }
    return last != NULL && by != &last->process;
}

static void look(sim_t *sim, maker_t *m, int32_t partition, int64_t offset)
{
    item_t item;
    const record_t *record = kafka_record(sim, TOPIC_ITEMS, m->job->lanes_from + partition, offset);
    if (sim_job(sim, (const char *)record->key, record->key_len) == m->job->number &&
        item_decode(record->value, record->value_len, &item) && item.type == ITEM_RECORD && item.index < ITEMS_MAX &&
        (int32_t)place_item(m->known.job_hash, m->job->spec.items_partitions, item.index) == partition &&
        !came_late(m, record->by, partition, offset))
        m->was_there[item.index] = true;
}

/* An index of which the chain or a record says what its input is; UINT64_MAX: there is none. */
static uint64_t choose_wrong(sim_t *sim, maker_t *m)
{
    uint64_t n = compared_n(m), k = n;
    if (m->job->is_second_try) /* what it takes over is no input */
        return UINT64_MAX;
    if (CHANCE(sim, 600) || m->known.is_closed || m->known.total >= 0)
        return n > 0 ? ROLL(sim, n) : UINT64_MAX;
    for (int32_t p = 0; p < (int32_t)m->known.partitions; p++)
        for (int64_t offset = 0; offset < kafka_log_end(sim, TOPIC_ITEMS, m->job->lanes_from + p); offset++)
            look(sim, m, p, offset);
    while (k < ITEMS_MAX && !m->was_there[k])
        k++;
    return k < ITEMS_MAX ? k : UINT64_MAX;
}

/* ---- starting it ---- */

static void start_again(sim_t *sim, job_t *job, bool is_wrong)
{
    maker_t *m = maker_new(sim, job);
    if (job->start_offset >= 0) {
        m->is_resumed = true;
        read_log(sim, m);
        if (is_wrong)
            m->wrong_at = choose_wrong(sim, m);
    }
    sim_say(sim, "%s is submitted again: %zu, from %llu%s", job->id, m->number, (unsigned long long)m->known.prefix,
            m->wrong_at == UINT64_MAX ? "" : ", with another input");
    maker_launch(sim, m, 1);
}

static void on_submit(sim_t *sim, event_t *event)
{
    job_t *job = &sim->jobs[event->a];
    const maker_t *m = job->maker;
    bool is_open = list_state(job->truth) == LIST_OPEN && list_now(job->truth)->total < 0;
    if (m->process.state == PROCESS_RUNS && !m->is_finished)
        return; /* it has come back */
    if (m->is_finished && job->makers_n > MAKERS_MAX - 2)
        return;
    bool is_stopped = m->process.state == PROCESS_STOPPED;
    if (sim->kafka.away || (is_open && sim->clock.now_ms - job->heard_ms < SILENT_MS) ||
        (is_stopped && job->start_offset < 0)) {
        clock_again(&sim->clock, event, BETWEEN(sim, 100, AGAIN_MS));
        return;
    }
    start_again(sim, job, event->b != 0);
}

void resubmit_later(sim_t *sim, const job_t *job, int64_t delay_ms, bool may_be_wrong)
{
    event_t *event = clock_after(&sim->clock, delay_ms, on_submit);
    event->a = job->number;
    event->b = may_be_wrong;
}

/* ---- the items partitions ---- */

void resubmit_scan(sim_t *sim, maker_t *m)
{
    m->scan = ++m->job->scans_n;
    for (int32_t p = 0; p < (int32_t)m->known.partitions; p++) {
        int64_t end = kafka_log_end(sim, TOPIC_ITEMS, m->job->lanes_from + p), from = m->known.offsets[p];
        if (!sim_protects(sim, PROTECTION_OFFSETS))
            from = end;
        m->scanned_to[p] = end;
        for (int64_t offset = 0; offset < end; offset++) {
            const record_t *record = kafka_record(sim, TOPIC_ITEMS, m->job->lanes_from + p, offset);
            look(sim, m, p, offset);
            if (offset >= from)
                prior_record(&m->known, p, offset, record->key, record->key_len, record->value, record->value_len);
        }
    }
    prior_sort(&m->known);
}

/* ---- what must hold ---- */

/* The program whose announcement was stored last: the job's owner. NULL: none was. */
static maker_t *owner_of(const job_t *job)
{
    maker_t *owner = NULL;
    for (size_t i = 0; i < job->makers_n; i++)
        if (job->makers[i]->announced_n > (owner != NULL ? owner->announced_n : 0))
            owner = job->makers[i];
    return owner;
}

/* Another one's announcement was stored long ago. */
static bool was_taken_over(const sim_t *sim, const maker_t *m)
{
    const maker_t *owner = owner_of(m->job);
    return m->announced_n > 0 && owner != m && sim->clock.now_ms - owner->announced_ms > TAKEN_MS;
}

void resubmit_check_put(sim_t *sim, const maker_t *m, int topic, const producer_action_t *action)
{
    joblog_record_t said;
    if (topic == TOPIC_ITEMS && m->is_resumed && m->was_there[action->cookie])
        sim_break(sim, "%s/%llu is published twice", m->job->id, (unsigned long long)action->cookie);
    bool is_end = topic == TOPIC_RESULTS && joblog_decode(action->value, action->value_len, &said) &&
                  said.type == JOBLOG_END; /* a cancel, which is anybody's */
    if (topic != TOPIC_JOBS && !is_end && was_taken_over(sim, m))
        sim_break(sim, "program %zu of %s publishes, and the job has another producer", m->number, m->job->id);
}

void resubmit_read_log(sim_t *sim, maker_t *m)
{
    if (m->wrong_at < compared_n(m))
        sim_break(sim, "%s/%llu: another input is taken for that of the job", m->job->id,
                  (unsigned long long)m->wrong_at);
}

void resubmit_heard(sim_t *sim, job_t *job, const record_t *record)
{
    joblog_record_t decoded;
    if (!joblog_decode(record->value, record->value_len, &decoded))
        return;
    if (decoded.type == JOBLOG_PROGRESS || decoded.type == JOBLOG_START)
        job->heard_ms = sim->clock.now_ms;
    for (size_t i = 0; i < job->makers_n && decoded.type == JOBLOG_PRODUCER; i++) {
        maker_t *m = job->makers[i];
        if (strcmp(decoded.producer, m->announce) != 0)
            continue;
        job->was_announced_again |= m->announced_n > 0;
        m->announced_n = ++job->announcements_n;
        m->announced_ms = sim->clock.now_ms;
    }
}

void resubmit_finished(sim_t *sim, const maker_t *m)
{
    bool is_owner = m->announced_n > 0 && owner_of(m->job) == m; /* else another one ended the job meanwhile */
    if (m->wrong_at != UINT64_MAX && is_owner && list_state(m->job->truth) != LIST_CLOSED)
        sim_break(sim, "%s/%llu: nobody noticed the other input", m->job->id, (unsigned long long)m->wrong_at);
    if (!sim->scenario.is_golden && !sim->scenario.is_about_tokens && CHANCE(sim, 100))
        resubmit_later(sim, m->job, BETWEEN(sim, 1, 5000), CHANCE(sim, 300));
    else if (!sim->scenario.is_golden && !sim->scenario.is_about_tokens && m->is_decided && CHANCE(sim, 150))
        retry_job(sim, m->job);
}

void resubmit_failed(sim_t *sim, maker_t *m, const fanmap_error_t *err)
{
    maker_t *owner = owner_of(m->job);
    bool is_wrong = m->wrong_at != UINT64_MAX;
    bool was_late = !m->is_resumed && m->job->announcements_n > 1; /* stopped between `start` and its announcement */
    bool was_finished = list_now(m->job->truth)->total >= 0 && !m->has_said_input; /* by one that came back */
    bool is_owner = (owner == NULL || owner == m) && !m->job->was_announced_again && !was_late && !was_finished;
    sim_say(sim, "program %zu of %s gives up: %s", m->number, m->job->id, err->message);
    if (err->code != FANMAP_ECONFLICT || (is_owner && !is_wrong))
        sim_break(sim, "%s: the producer failed: %s", m->job->id, err->message);
    maker_die(sim, m);
    if (m == m->job->maker && owner != NULL && owner->process.state != PROCESS_DEAD)
        m->job->maker = owner;
    if (m->job->maker->process.state == PROCESS_DEAD)
        resubmit_later(sim, m->job, BETWEEN(sim, 1, 2000), false);
}
