#include "client/joblog/why.h"

#include <inttypes.h>
#include <stdio.h>

enum { PRODUCER_SILENT_MS = 15000 };

static void put_cause(why_t *why, why_cause_t cause, const char *format, ...) __attribute__((format(printf, 3, 4)));

static void put_cause(why_t *why, why_cause_t cause, const char *format, ...)
{
    if (why->n == FANMAP_WAITS_MAX)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(why->texts[why->n], WHY_TEXT_MAX, format, args);
    va_end(args);
    why->causes[why->n++] = cause;
}

const char *why_no_worker(char *ret, const char *task, const char *queue, const char *name_space)
{
    (void)snprintf(ret, WHY_TEXT_MAX,
                   "no worker serves task %s on queue %s; start one: fanmap worker --queue %s --namespace %s --tasks "
                   "F.so (or --exec '%s=CMD')",
                   task, queue, queue, name_space, task);
    return ret;
}

static bool has_unfinished(const why_facts_t *facts)
{
    return facts->published > facts->known;
}

static void explain_reach(const why_facts_t *facts, why_t *ret)
{
    const fleet_t *fleet = facts->fleet;
    if (fleet->is_kafka_silent)
        put_cause(ret, WHY_KAFKA_AWAY, "Kafka does not answer: nothing is published, run or gathered until it does");
    if (fleet->has_no_topic)
        put_cause(
            ret, WHY_NO_TOPIC,
            "the topic %s.items.%s.%s was deleted: items that had not run are lost, and listed as lost by a worker "
            "once "
            "the topic is there again (fanmap topics --create --queue %s --task %s); or fanmap cancel %s",
            facts->name_space, facts->queue, facts->task, facts->queue, facts->task, facts->job);
    const char *shared = facts->concurrency > 0 ? "a job with a limit starts nothing without Redis: "
                         : facts->has_rate      ? "a job with a rate starts nothing without Redis: "
                                                : "";
    if (fleet->redis_why[0])
        put_cause(ret, shared[0] ? WHY_REDIS_AWAY : WHY_LESS_KNOWN, "%s%s", shared, fleet->redis_why);
    if (facts->is_paused || fleet->is_paused)
        put_cause(ret, WHY_PAUSED, "it is paused (fanmap resume %s)", facts->job);
    if (fleet->workers_n == 0) {
        char text[WHY_TEXT_MAX];
        put_cause(ret, WHY_NO_WORKER, "%s", why_no_worker(text, facts->task, facts->queue, facts->name_space));
    }
}

static void explain_starts(const why_facts_t *facts, why_t *ret)
{
    const fleet_t *fleet = facts->fleet;
    if (fleet->dead_n > 0 && has_unfinished(facts))
        put_cause(
            ret, WHY_NO_START,
            "%d of the %d workers of task %s cannot start its program or library, and what they have of it waits: the "
            "log of %s says why",
            fleet->dead_n, fleet->rows_n, facts->task, fleet->dead_worker);
}

/* An item that is handed from one partition to another is in the lag of the other one. */
static void explain_offsets(const why_facts_t *facts, why_t *ret)
{
    const fleet_t *fleet = facts->fleet;
    if (fleet->lag == 0 && facts->published_before > facts->known)
        put_cause(
            ret, WHY_PASSED_OVER,
            "%" PRIu64
            " items have no outcome, and the offsets of the workers' group lie behind all of them (were they reset, or "
            "the topic made anew?): nobody will run them (fanmap cancel %s ends it with what there is)",
            facts->published_before - facts->known, facts->job);
    if (fleet->workers_n != 0 && fleet->owned_n >= 0 && fleet->owned_n < (int64_t)fleet->partitions_n)
        put_cause(ret, WHY_NO_OWNER,
                  "%" PRId64 " of the %" PRIu32
                  " partitions of its task have no worker: their items wait until the workers' group deals them out (a "
                  "rebalance; partitions that were added are seen within five minutes, or when a worker is started)",
                  (int64_t)fleet->partitions_n - fleet->owned_n, fleet->partitions_n);
}

static bool runs(const why_facts_t *facts)
{
    return facts->is_still && facts->fleet->job_running > 0;
}

static void explain_tokens(const why_facts_t *facts, why_t *ret)
{
    const fleet_t *fleet = facts->fleet;
    uint64_t limit = facts->concurrency;
    if (limit == 0 || !fleet->is_table_asked || fleet->workers_n <= 0)
        return;
    if (!fleet->has_table)
        put_cause(ret, WHY_NO_TABLE,
                  "its token table is not in Redis: it is made anew, and learns for one lease, when a worker asks");
    else if (fleet->learns_ms > 0)
        put_cause(ret, WHY_LEARNING,
                  "its token table is learning what runs: nothing new starts for about %" PRId64 " ms (docs/tokens.md)",
                  fleet->learns_ms);
    else if (fleet->held > limit && !runs(facts))
        put_cause(ret, WHY_OVER_LIMIT,
                  "more tokens are held (%" PRIu64 ": %s) than the limit allows now (%" PRIu64
                  "): nothing starts until enough attempts have ended",
                  fleet->held, fleet->holders, limit);
    else if (fleet->held == limit && fleet->wanting_n > 0 && !runs(facts))
        put_cause(ret, WHY_LIMIT,
                  "%s %" PRIu64 " %s held (%s): the limit is what it waits for (fanmap set %s --concurrency N)",
                  limit == 1 ? "its" : "all", limit, limit == 1 ? "token is" : "tokens are", fleet->holders,
                  facts->job);
}

static void explain_slots(const why_facts_t *facts, why_t *ret)
{
    const fleet_t *fleet = facts->fleet;
    bool is_all_seen = fleet->rows_n > 0 && fleet->rows_n == fleet->workers_n;
    if (!is_all_seen || fleet->running < fleet->slots || runs(facts) || !has_unfinished(facts))
        return;
    if (fleet->slots > 0 && fleet->job_running == fleet->running) /* they are its own */
        return;
    if (fleet->parent_running > 0)
        put_cause(
            ret, WHY_OWN_QUEUE,
            "no slot is free for it: all %" PRIu64
            " of the workers of its task are taken, one of them by an attempt of job %s, inside which this map runs: "
            "a task that maps onto its own queue waits for itself (give the inner map a queue of its own, or more "
            "slots)",
            fleet->slots, facts->parent);
    else if (fleet->slots == 0)
        put_cause(ret, WHY_NO_SLOT, "no slot is free for it: none of the workers of its task (%d) has one that is up",
                  fleet->rows_n);
    else
        put_cause(ret, WHY_NO_SLOT,
                  "no slot is free for it: all %" PRIu64
                  " slot%s of the %d worker%s of its task are taken%s%s%s (a task that "
                  "maps onto its own queue waits for itself)",
                  fleet->slots, fleet->slots == 1 ? "" : "s", fleet->rows_n, fleet->rows_n == 1 ? "" : "s",
                  fleet->other[0] ? ", for example by job " : "", fleet->other,
                  fleet->job_running > 0 ? " and by its own attempts" : "");
}

static void explain_items(const why_facts_t *facts, why_t *ret)
{
    const fleet_t *fleet = facts->fleet;
    if (fleet->delayed > 0 && fleet->job_running == 0 && fleet->queued == 0)
        put_cause(ret, WHY_BACKOFF,
                  "all %" PRIu64
                  " items that workers have in hand failed and wait for their next try (--backoff), the first "
                  "for up to %.1f s",
                  fleet->delayed, (double)fleet->retry_ms / 1000);
    if (ret->n == 0 && has_unfinished(facts) && fleet->lag > 0 && fleet->rows_n > 0 &&
        fleet->rows_n == fleet->workers_n && fleet->queued + fleet->delayed + fleet->job_running == 0)
        put_cause(ret, WHY_NOT_IN_HAND,
                  "%d workers serve its task, and none has an item of it in hand yet: %" PRId64
                  " records of the task wait or run, of all its jobs",
                  fleet->rows_n, fleet->lag);
    if (ret->n == 0 && facts->has_rate && fleet->queued > 0 && !runs(facts))
        put_cause(ret, WHY_RATE,
                  "%" PRIu64
                  " items that workers have in hand wait for their time: its starts are spread (--rate, --delay)",
                  fleet->queued);
    if (facts->behind_n > 0 && fleet->oldest_index >= 0 && (uint64_t)fleet->oldest_index == facts->next_index)
        put_cause(ret, WHY_ORDER,
                  "%" PRIu64 " outcomes wait for that of item %" PRIu64
                  ", which has run for %.1f s on %s (--unordered hands "
                  "them out as they come)",
                  facts->behind_n, facts->next_index, (double)fleet->oldest_ms / 1000, fleet->oldest_worker);
    else if (facts->behind_n > 0)
        put_cause(ret, WHY_ORDER,
                  "%" PRIu64 " outcomes wait for that of item %" PRIu64 " (--unordered hands them out as they come)",
                  facts->behind_n, facts->next_index);
}

static void explain_ends(const why_facts_t *facts, why_t *ret)
{
    if (facts->is_held)
        put_cause(
            ret, WHY_READER,
            "what was gathered is not taken, and no more is published before (--ahead, --spill): its reader is what it "
            "waits for");
    if (facts->total >= 0 || facts->is_uncounted)
        return;
    if (facts->producer_silent_ms > PRODUCER_SILENT_MS)
        put_cause(ret, WHY_PRODUCER_SILENT,
                  "its producer has said nothing for %" PRId64
                  " s and its input has not ended: what was published runs, the job stays open until it is cancelled",
                  facts->producer_silent_ms / 1000);
    else if (!has_unfinished(facts) && !facts->is_held)
        put_cause(ret, WHY_INPUT, "everything published so far is done: it waits for its producer's next items");
}

void why(const why_facts_t *facts, why_t *ret)
{
    ret->n = 0;
    if (facts->is_over)
        return;
    if (facts->is_log_gone) {
        put_cause(ret, WHY_LOG_GONE,
                  "retention took the beginning of its log: it cannot be gathered any more (fanmap cancel %s)",
                  facts->job);
        return;
    }
    explain_reach(facts, ret);
    explain_starts(facts, ret);
    explain_offsets(facts, ret);
    if (!facts->is_paused && !facts->fleet->is_paused) {
        explain_tokens(facts, ret);
        explain_slots(facts, ret);
        explain_items(facts, ret);
    }
    explain_ends(facts, ret);
}

const char *why_word(why_cause_t cause)
{
    static const char *const words[] = {[WHY_NOTHING] = "",
                                        [WHY_LOG_GONE] = "log gone",
                                        [WHY_KAFKA_AWAY] = "Kafka away",
                                        [WHY_NO_TOPIC] = "no topic",
                                        [WHY_REDIS_AWAY] = "Redis away",
                                        [WHY_LESS_KNOWN] = "",
                                        [WHY_PAUSED] = "",
                                        [WHY_NO_WORKER] = "no worker",
                                        [WHY_NO_START] = "no start",
                                        [WHY_PASSED_OVER] = "passed over",
                                        [WHY_NO_OWNER] = "no owner",
                                        [WHY_NO_TABLE] = "learning",
                                        [WHY_LEARNING] = "learning",
                                        [WHY_OVER_LIMIT] = "over limit",
                                        [WHY_LIMIT] = "at limit",
                                        [WHY_OWN_QUEUE] = "no slot",
                                        [WHY_NO_SLOT] = "no slot",
                                        [WHY_RATE] = "at its rate",
                                        [WHY_BACKOFF] = "backoff",
                                        [WHY_NOT_IN_HAND] = "queued",
                                        [WHY_ORDER] = "order",
                                        [WHY_READER] = "reader",
                                        [WHY_PRODUCER_SILENT] = "no producer",
                                        [WHY_INPUT] = "input"};
    return words[cause];
}
