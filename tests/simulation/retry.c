/* A second try of a job that has ended, as client/mapping/retry_failed.c makes it: what had a value is taken over, and so are the
 * errors of what was never sent; the inputs of the rest come from the items partitions. */
#include <stdlib.h>
#include <string.h>

#include "faults.h"
#include "schemas/item.h"
#include "schemas/place.h"

static void carry(job_t *job, const outcome_t *outcome)
{
    buf_clear(&job->carried[outcome->index]);
    joblog_put_outcome(&job->carried[outcome->index], outcome);
    job->carried_kind[outcome->index] = outcome->kind;
}

static void on_outcome(void *arg, const outcome_t *outcome)
{
    bool was_never_sent =
        outcome->attempts == 0 && (outcome->kind == FANMAP_BAD_INPUT || outcome->kind == FANMAP_TOO_LARGE);
    if (outcome->index < ITEMS_MAX && (outcome->kind == FANMAP_VALUE || was_never_sent))
        carry(arg, outcome);
}

static void on_decided(void *arg, uint64_t n, list_state_t state, end_reason_t reason, fanmap_kind_t missing)
{
    (void)state;
    (void)reason;
    (void)missing;
    ((job_t *)arg)->items_n = n;
}

static void read_log(sim_t *sim, const job_t *old, job_t *job)
{
    int32_t partition = (int32_t)old->spec.results_partition;
    list_t *list = list_new(old->id, &(list_callbacks_t){.outcome = on_outcome, .decided = on_decided}, job);
    if (list == NULL)
        abort();
    for (int64_t offset = old->start_offset; offset < kafka_log_end(sim, TOPIC_RESULTS, partition); offset++) {
        const record_t *record = kafka_record(sim, TOPIC_RESULTS, partition, offset);
        list_record(list, offset, record->key, record->key_len, record->value, record->value_len);
    }
    list_free(list);
}

static bool has_record(sim_t *sim, const job_t *old, uint64_t index)
{
    int32_t partition =
        old->lanes_from + (int32_t)place_item(place_job_hash(old->id), old->spec.items_partitions, index);
    for (int64_t offset = 0; offset < kafka_log_end(sim, TOPIC_ITEMS, partition); offset++) {
        item_t item;
        const record_t *record = kafka_record(sim, TOPIC_ITEMS, partition, offset);
        if (sim_job(sim, (const char *)record->key, record->key_len) == old->number &&
            item_decode(record->value, record->value_len, &item) && item.type == ITEM_RECORD && item.index == index)
            return true;
    }
    return false;
}

void retry_job(sim_t *sim, const job_t *old)
{
    static const char never[] = "never published";
    if (sim->jobs_n == JOBS_MAX || old->start_offset < 0)
        return;
    job_t *job = &sim->jobs[sim->jobs_n];
    job_begin(sim, job, sim->jobs_n, draw_task(sim));
    job->hash = old->hash; /* its inputs and values are the old ones */
    job->is_second_try = true;
    job->plan_seed = random_next(&sim->clock.random);
    job->run_ms_max = 40;
    job->fails_permille = (unsigned)ROLL(sim, 200);
    job->fails_for_ever_permille = (unsigned)ROLL(sim, 100);
    job->spec.retries = (uint32_t)ROLL(sim, 3);
    job->spec.concurrency = job->limit = CHANCE(sim, 500) ? 1 + ROLL(sim, 4) : 0;
    job->cap = job->limit > 0 ? job->limit : UINT64_MAX;
    memcpy(job->spec.retry_of, old->id, sizeof old->id);
    read_log(sim, old, job);
    for (uint64_t i = 0; i < job->items_n; i++)
        if (job->carried[i].len == 0 && !has_record(sim, old, i))
            carry(job, &(outcome_t){.index = i,
                                    .kind = FANMAP_CANCELLED,
                                    .type = "",
                                    .stderr_tail = "",
                                    .message = never,
                                    .message_len = sizeof never - 1});
    sim_say(sim, "%s is a second try of %s", job->id, old->id);
    sim->jobs_n++;
    maker_start(sim, job);
}
