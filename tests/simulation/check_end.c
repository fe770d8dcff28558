/* What must hold when all faults are mended and time was given: every job ended, each index with the one outcome that
 * the plan allows, and the same list for whoever reads it, now or later. */
#include <stdlib.h>
#include <string.h>

#include "sim.h"

static bool all_committed(const sim_t *sim)
{
    for (int32_t p = 0; p < (int32_t)sim->kafka.partitions_n[TOPIC_ITEMS]; p++) {
        const partition_t *partition = &sim->kafka.topics[TOPIC_ITEMS][p];
        if (partition->n > 0 && (!partition->was_committed || partition->committed < (int64_t)partition->n))
            return false;
    }
    return true;
}

bool sim_is_done(sim_t *sim)
{
    for (size_t j = 0; j < sim->jobs_n; j++)
        if (!sim->jobs[j].maker->is_finished || !sim->jobs[j].is_ended)
            return false;
    return sim->healed && all_committed(sim);
}

typedef struct {
    sim_t *sim;
    order_t *order;
    buf_t output;
    uint64_t n;
    bool is_decided;
} late_t;

static void late_outcome(void *arg, const outcome_t *outcome)
{
    late_t *late = arg;
    fanmap_error_t err;
    if (order_put(late->order, outcome, &err) != FANMAP_OK)
        sim_break(late->sim, "a later reader: order_put: %s", err.message);
}

static void late_decided(void *arg, uint64_t n, list_state_t state, end_reason_t reason, fanmap_kind_t missing)
{
    late_t *late = arg;
    (void)state;
    (void)reason;
    late->n = n;
    late->is_decided = true;
    order_decide(late->order, n, missing);
}

/* Without "the first counts", a reader could as well take the last: it reads the outcomes from the end. */
static void read_log(sim_t *sim, const job_t *job, list_t *list)
{
    int32_t partition = (int32_t)job->spec.results_partition;
    int64_t from = job->start_offset, end = kafka_log_end(sim, TOPIC_RESULTS, partition);
    for (int64_t k = from; k < end; k++) {
        bool backwards = !sim_protects(sim, PROTECTION_FIRST) && k > from;
        int64_t offset = backwards ? end - (k - from) : k;
        const record_t *record = kafka_record(sim, TOPIC_RESULTS, partition, offset);
        list_record(list, offset, record->key, record->key_len, record->value, record->value_len);
    }
}

static void check_entry(sim_t *sim, const job_t *job, const outcome_t *outcome)
{
    uint32_t attempts;
    fanmap_kind_t planned = plan_outcome(sim, job->number, outcome->index, &attempts);
    bool is_carried = job->carried[outcome->index].len > 0;
    if (is_carried)
        planned = job->carried_kind[outcome->index];
    unsigned long long index = outcome->index;
    bool cut_short = list_state(job->truth) == LIST_CLOSED &&
                     (outcome->kind == FANMAP_CANCELLED || outcome->kind == FANMAP_DEADLINE);
    bool crashed = outcome->kind == FANMAP_CRASHED && sim->lost_lives > 0 && !sim->scenario.is_poisoned;
    if (cut_short || crashed)
        return;
    if ((outcome->kind == FANMAP_LOST && job->was_wiped[index]) || job->was_misled[index])
        return;
    bool fits = outcome->kind == planned;
    /* halting soon: a try that would have been followed by another was the last */
    bool is_last = job->spec.halt.when == HALT_SOON && job->spec.retries > 0 && outcome->kind < FANMAP_CRASHED;
    fits = fits || (is_last && list_now(job->truth)->is_halting);
    /* which of several failing attempts was the last is the losses' to say, but not that it failed */
    fits = fits || (planned != FANMAP_VALUE && !sim->scenario.is_poisoned && outcome->kind != FANMAP_VALUE &&
                    outcome->kind < FANMAP_UNKNOWN_TASK);
    if (!fits)
        sim_break(sim, "%s/%llu: the outcome is %s, and must be %s", job->id, index, kind_name(outcome->kind),
                  kind_name(planned));
    if (!is_carried && planned < FANMAP_BAD_INPUT &&
        (outcome->attempts < 1 || outcome->attempts > job->spec.retries + 1))
        sim_break(sim, "%s/%llu: %u attempts with %u retries", job->id, index, outcome->attempts, job->spec.retries);
    if (outcome->kind != FANMAP_VALUE)
        return;
    buf_t value = {0};
    plan_value(&value, job->hash, outcome->index);
    if (value.len != outcome->value_len || memcmp(value.data, outcome->value, value.len) != 0)
        sim_break(sim, "%s/%llu: another item's value", job->id, index);
    buf_free(&value);
}

static void read_late(sim_t *sim, const job_t *job, late_t *late)
{
    fanmap_error_t err;
    outcome_t outcome;
    uint64_t next = 0;
    int r;
    while ((r = order_next(late->order, &outcome, &err)) == FANMAP_OK) {
        if (outcome.index != next++)
            sim_break(sim, "%s: %llu stands in the place of %llu", job->id, (unsigned long long)outcome.index,
                      (unsigned long long)next - 1);
        check_entry(sim, job, &outcome);
        output_put(&late->output, &outcome);
    }
    if (r != FANMAP_END || next != late->n)
        sim_break(sim, "%s: %llu of %llu entries", job->id, (unsigned long long)next, (unsigned long long)late->n);
}

static bool same_output(const buf_t *a, const buf_t *b)
{
    return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

static void check_job(sim_t *sim, const job_t *job)
{
    late_t late = {.sim = sim};
    fanmap_error_t err;
    list_t *list = list_new(job->id, &(list_callbacks_t){.outcome = late_outcome, .decided = late_decided}, &late);
    if (list == NULL || order_new(1 << 20, NULL, &late.order, &err) != FANMAP_OK)
        abort();
    read_log(sim, job, list);
    if (!late.is_decided)
        sim_break(sim, "%s: a later reader finds it undecided", job->id);
    else
        read_late(sim, job, &late);
    for (size_t i = 0; i < job->makers_n; i++)
        if (job->makers[i]->is_finished && job->makers[i]->is_decided &&
            !same_output(&late.output, &job->makers[i]->output))
            sim_break(sim, "%s: a later reader gets another list", job->id);
    const maker_t *maker = job->maker;
    if (maker->state == LIST_COMPLETE && maker->n != job->items_n)
        sim_break(sim, "%s: complete with %llu of %llu", job->id, (unsigned long long)maker->n,
                  (unsigned long long)job->items_n);
    list_free(list);
    order_free(late.order);
    buf_free(&late.output);
}

static void say_what_is_missing(sim_t *sim)
{
    for (size_t j = 0; j < sim->jobs_n; j++) {
        const job_t *job = &sim->jobs[j];
        if (!job->maker->is_finished || !job->is_ended)
            sim_break(sim, "%s has not ended: %llu of %llu known, producer %s, J/end %s", job->id,
                      (unsigned long long)list_now(job->truth)->known, (unsigned long long)job->items_n,
                      job->maker->is_finished ? "finished" : "not finished", job->is_ended ? "stored" : "missing");
    }
    for (int32_t p = 0; p < (int32_t)sim->kafka.partitions_n[TOPIC_ITEMS]; p++) {
        const partition_t *partition = &sim->kafka.topics[TOPIC_ITEMS][p];
        if (partition->n > 0 && (!partition->was_committed || partition->committed < (int64_t)partition->n))
            sim_break(sim, "partition %d is committed up to %lld of %zu at the end", (int)p,
                      (long long)(partition->was_committed ? partition->committed : -1), partition->n);
    }
}

void sim_check_end(sim_t *sim)
{
    if (!sim_is_done(sim))
        say_what_is_missing(sim);
    for (size_t j = 0; j < sim->jobs_n && sim->broken[0] == '\0'; j++)
        check_job(sim, &sim->jobs[j]);
}
