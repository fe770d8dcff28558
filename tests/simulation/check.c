/* What must hold, looked at from outside: the hooks see each record and each commit at the moment it is stored, the
 * pools say which attempts run. Nothing here asks a worker what it thinks. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "schemas/item.h"
#include "sim.h"

enum { LINES_MAX = 20000 };

void sim_line(sim_t *sim, const char *format, ...)
{
    if (sim->lines_n == LINES_MAX)
        return;
    if (sim->lines == NULL)
        sim->lines = take(LINES_MAX * sizeof *sim->lines);
    char *line = sim->lines[sim->lines_n++];
    int64_t ms = sim->clock.now_ms - CLOCK_START_MS;
    int len = snprintf(line, LINE_MAX_LEN, "%5lld.%03lld  ", (long long)(ms / 1000), (long long)(ms % 1000));
    va_list args;
    va_start(args, format);
    vsnprintf(line + len, LINE_MAX_LEN - (size_t)len, format, args);
    va_end(args);
}

void sim_break(sim_t *sim, const char *format, ...)
{
    if (sim->broken[0] != '\0')
        return;
    int64_t ms = sim->clock.now_ms - CLOCK_START_MS;
    int len =
        snprintf(sim->broken, sizeof sim->broken, "at %lld.%03lld s: ", (long long)(ms / 1000), (long long)(ms % 1000));
    va_list args;
    va_start(args, format);
    vsnprintf(sim->broken + len, sizeof sim->broken - (size_t)len, format, args);
    va_end(args);
}

const char *kind_name(fanmap_kind_t kind)
{
    static const char *const names[] = {"value",     "exception", "exit",     "signal",       "timeout",
                                        "memory",    "protocol",  "crashed",  "unknown_task", "bad_input",
                                        "too_large", "cancelled", "deadline", "lost"};
    return kind <= FANMAP_LOST ? names[kind] : "?";
}

bool sim_protects(const sim_t *sim, protection_t what)
{
    return sim->mutant == NULL || sim->mutant->what != what;
}

size_t sim_job(const sim_t *sim, const char *id, size_t len)
{
    size_t j = 0;
    while (j < sim->jobs_n && (strlen(sim->jobs[j].id) != len || memcmp(sim->jobs[j].id, id, len) != 0))
        j++;
    return j;
}

/* ---- what is stored ---- */

static void say_record(sim_t *sim, const job_t *job, const record_t *record)
{
    joblog_record_t decoded;
    outcome_t outcome;
    if (!sim->speaks || !joblog_decode(record->value, record->value_len, &decoded))
        return;
    if (decoded.type == JOBLOG_PROGRESS)
        return;
    if (decoded.type != JOBLOG_OUTCOMES) {
        static const char *const names[] = {"", "start", "", "", "input", "end", "producer"};
        sim_say(sim, "log of %s: %s", job->id, names[decoded.type]);
        return;
    }
    while (joblog_next_outcome(&decoded, &outcome))
        sim_say(sim, "log of %s: outcome of %llu: %s, attempts %u", job->id, (unsigned long long)outcome.index,
                kind_name(outcome.kind), outcome.attempts);
}

/* Whatever the clocks of workers and submitters say. */
static void check_deadline(sim_t *sim, const job_t *job, const record_t *record)
{
    joblog_record_t decoded;
    int64_t span_ms = job->spec.deadline_ms - job->spec.submitted_ms;
    if (!joblog_decode(record->value, record->value_len, &decoded) || decoded.type != JOBLOG_END ||
        decoded.end_reason != END_DEADLINE)
        return;
    if (job->spec.deadline_ms == 0 || job->spec_ms == 0 || sim->clock.now_ms < job->spec_ms + span_ms)
        sim_break(sim, "%s ends by its deadline after %lld ms, and has %lld", job->id,
                  (long long)(sim->clock.now_ms - job->spec_ms), (long long)span_ms);
}

static void stored_in_log(sim_t *sim, int64_t offset, const record_t *record)
{
    size_t j = sim_job(sim, (const char *)record->key, record->key_len);
    if (j == sim->jobs_n)
        return;
    job_t *job = &sim->jobs[j];
    list_state_t before = list_state(job->truth);
    list_record(job->truth, offset, record->key, record->key_len, record->value, record->value_len);
    resubmit_heard(sim, job, record);
    say_record(sim, job, record);
    check_deadline(sim, job, record);
    if (before == LIST_OPEN && list_state(job->truth) != LIST_OPEN)
        sim_say(sim, "%s is %s", job->id, list_state(job->truth) == LIST_COMPLETE ? "complete" : "closed");
}

/* The job begins where its first J/spec says. What an earlier program wrote, and never announced on `jobs`, is not of it. */
static void spec_stored(sim_t *sim, job_t *job, int64_t start_offset)
{
    bool is_first = job->start_offset < 0;
    int32_t partition = (int32_t)job->spec.results_partition;
    job->start_offset = start_offset;
    job->spec_ms = job->spec_ms > 0 ? job->spec_ms : sim->clock.now_ms;
    if (!is_first || list_start_offset(job->truth) == start_offset)
        return;
    list_free(job->truth);
    job->truth = list_new(job->id, &sim_deaf, NULL);
    if (job->truth == NULL)
        abort();
    for (int64_t offset = start_offset; offset < kafka_log_end(sim, TOPIC_RESULTS, partition); offset++) {
        const record_t *record = kafka_record(sim, TOPIC_RESULTS, partition, offset);
        list_record(job->truth, offset, record->key, record->key_len, record->value, record->value_len);
    }
}

static void stored_in_jobs(sim_t *sim, const record_t *record)
{
    jobs_record_t decoded;
    if (!jobs_decode(record->key, record->key_len, record->value, record->value_len, &decoded))
        return;
    size_t j = sim_job(sim, decoded.job, strlen(decoded.job));
    if (j < sim->jobs_n)
        control_stored(sim, &sim->jobs[j], &decoded);
    if (j < sim->jobs_n && decoded.field == JOBS_SPEC)
        spec_stored(sim, &sim->jobs[j], decoded.spec.start_offset);
    if (j < sim->jobs_n && decoded.field == JOBS_HALT && !list_now(sim->jobs[j].truth)->is_halting)
        sim_break(sim, "J/halt of %s is stored, but by its log it does not halt", sim->jobs[j].id);
    if (j == sim->jobs_n || decoded.field != JOBS_END || decoded.tombstone)
        return;
    if (!sim->jobs[j].is_ended)
        sim_say(sim, "jobs: the end of %s (%d)", sim->jobs[j].id, (int)decoded.end_reason);
    if (list_state(sim->jobs[j].truth) == LIST_OPEN)
        sim_break(sim, "J/end of %s is stored, but its log does not close or complete it", sim->jobs[j].id);
    sim->jobs[j].is_ended = true;
}

/* Whoever published it: an index has one input. */
static void stored_in_items(sim_t *sim, const record_t *record)
{
    item_t item;
    size_t j = sim_job(sim, (const char *)record->key, record->key_len);
    if (j == sim->jobs_n || !item_decode(record->value, record->value_len, &item) || item.type != ITEM_RECORD)
        return;
    buf_t in = {0};
    plan_input(&in, sim->jobs[j].hash, item.index);
    if (item.in_len != in.len || memcmp(item.in, in.data, in.len) != 0)
        sim_break(sim, "%s/%llu: another input is published", sim->jobs[j].id, (unsigned long long)item.index);
    buf_free(&in);
}

static void appended(sim_t *sim, int topic, int32_t partition, int64_t offset, const record_t *record)
{
    if (topic == TOPIC_RESULTS) {
        stored_in_log(sim, offset, record);
        maker_poke(sim, partition);
        return;
    }
    if (topic == TOPIC_JOBS)
        stored_in_jobs(sim, record);
    else
        stored_in_items(sim, record);
    for (size_t i = 0; i < sim->nodes_n; i++) {
        if (topic == TOPIC_JOBS)
            node_poke_jobs(sim, &sim->nodes[i]);
        else {
            node_poke_items(sim, &sim->nodes[i]);
            node_poke_notes(sim, &sim->nodes[i]);
        }
    }
}

/* The record may be forgotten: its outcome is in the log, or the job needs none, or it never was an item of ours. */
static bool is_finished(const sim_t *sim, int32_t lane, const record_t *record)
{
    item_t item;
    size_t j = sim_job(sim, (const char *)record->key, record->key_len);
    if (j == sim->jobs_n || !item_decode(record->value, record->value_len, &item) || item.type != ITEM_RECORD)
        return true;
    const job_t *job = &sim->jobs[j];
    if (sim_task_of(sim, lane) != sim_task_of(sim, job->lanes_from))
        return true;                      /* a stranger put it there */
    int64_t n = list_input_n(job->truth); /* beyond it: a superseded producer's, stored late; nothing of it counts */
    return list_has(job->truth, item.index) || list_state(job->truth) != LIST_OPEN ||
           (n >= 0 && item.index >= (uint64_t)n);
}

/* Another worker has, or will have, a copy of it: no commit is past that. */
static bool has_copy(const sim_t *sim, const record_t *record, int32_t partition, int64_t to)
{
    item_t item, copy;
    if (!item_decode(record->value, record->value_len, &item))
        return false;
    for (int32_t p = 0; p < (int32_t)sim->kafka.partitions_n[TOPIC_ITEMS]; p++) {
        const partition_t *other = &sim->kafka.topics[TOPIC_ITEMS][p];
        bool counts = other->was_committed && !other->is_misleading;
        int64_t from = p == partition ? to : counts ? other->committed : 0;
        for (size_t i = (size_t)from; i < other->n; i++)
            if (other->at[i].key_len == record->key_len &&
                memcmp(other->at[i].key, record->key, record->key_len) == 0 &&
                item_decode(other->at[i].value, other->at[i].value_len, &copy) && copy.type == ITEM_RECORD &&
                copy.hops > 0 && copy.index == item.index)
                return true;
    }
    return false;
}

static void committed(sim_t *sim, process_t *who, int32_t partition, int64_t from, int64_t to)
{
    ((node_t *)who->self)->must_hear = false;
    if (!sim->scenario.is_golden) /* when that is, is of no matter there */
        sim_say(sim, "%s commits partition %d up to %lld", who->name, (int)partition, (long long)to);
    if (kafka_is_misled(sim, &((node_t *)who->self)->consumer, partition))
        return; /* or it puts that right, just now */
    if (to < from)
        sim_break(sim, "%s commits partition %d back from %lld to %lld", who->name, (int)partition, (long long)from,
                  (long long)to);
    if (to > kafka_log_end(sim, TOPIC_ITEMS, partition))
        sim_break(sim, "%s commits partition %d beyond its end: %lld", who->name, (int)partition, (long long)to);
    for (int64_t offset = from; offset < to; offset++) {
        const record_t *record = kafka_record(sim, TOPIC_ITEMS, partition, offset);
        if (record != NULL && !is_finished(sim, partition, record) && !has_copy(sim, record, partition, to))
            sim_break(sim, "%s commits partition %d up to %lld, past the unfinished offset %lld", who->name,
                      (int)partition, (long long)to, (long long)offset);
    }
}

const kafka_hooks_t check_hooks = {.appended = appended, .committed = committed};

/* Kafka's own size error: for the inputs that the plan says are too large. */
bool sim_refuses(const sim_t *sim, const void *key, size_t key_len, const void *value, size_t value_len)
{
    item_t item;
    size_t j = sim_job(sim, key, key_len);
    return j < sim->jobs_n && item_decode(value, value_len, &item) && item.type == ITEM_RECORD &&
           plan_source(sim, j, item.index) == FANMAP_TOO_LARGE;
}

/* ---- what runs ---- */

/* A retry comes under a newer grant than the attempt before it. */
static void check_fence(sim_t *sim, const pool_t *pool, const run_t *run)
{
    job_t *job = &sim->jobs[run->job];
    const pool_t **where = &job->fence_pools[run->index];
    bool comparable = *where == pool || sim->scenario.is_gentle; /* else the one before may be a zombie's */
    uint64_t *fence = &job->fences[run->index];
    uint32_t *attempt = &job->fence_attempts[run->index];
    if (run->fence == 0)
        return;
    if (comparable && *fence >= run->fence && run->attempt > *attempt && !sim->scenario.has_jumps)
        sim_break(sim, "%s/%llu: attempt %u has fence %llu, and attempt %u before it had %llu", job->id,
                  (unsigned long long)run->index, run->attempt, (unsigned long long)run->fence, *attempt,
                  (unsigned long long)*fence);
    *fence = run->fence;
    *where = pool;
    *attempt = run->attempt;
}

void sim_handed(sim_t *sim, const process_t *giver, size_t job, uint64_t index)
{
    if (job >= sim->jobs_n)
        return;
    sim_hand_t *hands = sim->jobs[job].hands[index];
    for (size_t i = 0; i < HANDS_MAX; i++)
        if (hands[i].giver == NULL) {
            hands[i] = (sim_hand_t){giver, giver->life, giver->joins};
            return;
        }
}

/* A giver that dies, or loses its place, between its copy's arrival and its own commit leaves two records, and both may
 * run: whichever giver it was. */
static bool may_be_doubled(const job_t *job, uint64_t index)
{
    const sim_hand_t *hands = job->hands[index];
    for (size_t i = 0; i < HANDS_MAX && hands[i].giver != NULL; i++)
        if (hands[i].giver->life != hands[i].life || hands[i].giver->joins != hands[i].joins)
            return true;
    return false;
}

/* Where workers only come and go, and no record is doubled, an item runs in one place at a time. */
static void check_alone(sim_t *sim, const pool_t *mine, const run_t *run)
{
    if (may_be_doubled(&sim->jobs[run->job], run->index))
        return;
    for (const pool_t *pool = sim->pools; pool != NULL; pool = pool->next)
        for (uint32_t s = 0; s < pool->slots_n; s++) {
            const run_t *other = &pool->slots[s].waiting[0];
            if (pool->worker->life != pool->life || pool->slots[s].is_ending) /* about to be over */
                continue;
            if (pool->slots[s].is_running && other != run && other->job == run->job && other->index == run->index)
                sim_break(sim, "%s/%llu runs at %s and at %s", sim->jobs[run->job].id, (unsigned long long)run->index,
                          pool->worker->name, mine->worker->name);
        }
}

bool check_is_misled(const sim_t *sim, const process_t *worker, size_t j)
{
    const job_t *job = &sim->jobs[j];
    const consumer_t *consumer = &((const node_t *)worker->self)->consumer;
    int32_t to = job->lanes_from + (int32_t)sim->scenario.items_partitions;
    for (int32_t p = job->lanes_from; p < to; p++)
        if (consumer->owns[p] && kafka_is_misled(sim, consumer, p))
            return true;
    return false;
}

void sim_attempt_began(sim_t *sim, pool_t *pool, const run_t *run)
{
    job_t *job = &sim->jobs[run->job];
    job->was_misled[run->index] |= check_is_misled(sim, pool->worker, run->job);
    sim_say(sim, "%s runs %s/%llu, attempt %u", pool->worker->name, job->id, (unsigned long long)run->index,
            run->attempt);
    job->begun_n++;
    check_fence(sim, pool, run);
    if (pool->worker->life == pool->life && ((const node_t *)pool->worker->self)->must_hear)
        sim_break(sim, "%s starts %s/%llu after a long stop, before it heard from Kafka", pool->worker->name, job->id,
                  (unsigned long long)run->index);
    control_began(sim, pool, run);
    if (sim->scenario.is_alone)
        check_alone(sim, pool, run);
    sim_count(sim);
}

void sim_attempt_ended(sim_t *sim, pool_t *pool, const run_t *run, const char *how)
{
    sim_say(sim, "%s: %s/%llu, attempt %u, %s", pool->worker->name, sim->jobs[run->job].id,
            (unsigned long long)run->index, run->attempt, how);
}

void sim_table_lost(sim_t *sim)
{
    for (size_t j = 0; j < sim->jobs_n; j++)
        sim->jobs[j].table_version = 0;
}

uint64_t sim_table_told(sim_t *sim, const tokens_request_t *request)
{
    size_t j = sim_job(sim, request->job, strlen(request->job));
    if (j == sim->jobs_n)
        return 0;
    if (request->n_version > sim->jobs[j].table_version)
        sim->jobs[j].table_version = request->n_version;
    return sim->jobs[j].table_version;
}

/* Whether some worker may still act by an older N: it has not read the new one, nor got a lease from a table that had
 * it. */
static bool someone_behind(const sim_t *sim, size_t j)
{
    for (size_t i = 0; i < sim->nodes_n; i++) {
        const node_t *node = &sim->nodes[i];
        if (node->process.state == PROCESS_DEAD || node->limit_version[j] >= sim->jobs[j].limit_version ||
            node->lease_version[j] >= sim->jobs[j].limit_version ||
            control_has_had_time(sim, node, sim->jobs[j].limit_ms))
            continue;
        return true;
    }
    return false;
}

/* Runs of dead workers that wait in their slots may begin until the guardian has killed them. */
static bool dead_slots_hold(const sim_t *sim, size_t j)
{
    for (const pool_t *pool = sim->pools; pool != NULL; pool = pool->next) {
        if (pool->worker->life == pool->life)
            continue;
        for (uint32_t s = 0; s < pool->slots_n; s++)
            for (size_t k = 0; k < pool->slots[s].n; k++)
                if (pool->slots[s].waiting[k].job == j)
                    return true;
    }
    return false;
}

static void count(sim_t *sim, size_t j)
{
    job_t *job = &sim->jobs[j];
    uint64_t limit = job->limit > 0 ? job->limit : UINT64_MAX;
    job->running = job->attempts = 0;
    for (const pool_t *pool = sim->pools; pool != NULL; pool = pool->next)
        pool_count(pool, j, &job->running, &job->attempts);
    bool changed = job->limit_version > 0;
    if (changed && (someone_behind(sim, j) || dead_slots_hold(sim, j)))
        job->cap = limit > job->cap ? limit : job->cap;
    else if (job->cap > job->attempts)
        job->cap = job->attempts > limit ? job->attempts : limit;
    else if (job->cap < limit)
        job->cap = limit;
    if (job->running > job->cap)
        sim_break(sim, "%llu attempts of %s run at once, %llu may (N %llu)", (unsigned long long)job->running, job->id,
                  (unsigned long long)job->cap, (unsigned long long)job->limit);
}

void sim_count(sim_t *sim)
{
    for (size_t j = 0; j < sim->jobs_n; j++)
        count(sim, j);
}
