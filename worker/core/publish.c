/* The outcome of an item on its way to Kafka, and whether it closes its job. */
#include <inttypes.h>
#include <stdio.h>

#include "schemas/item.h"
#include "worker/core/state.h"

/* The reason by which this outcome alone closes the job; 0: it does not. Counts over the fleet are judged by who reads
 * the log. */
static end_reason_t closes(const spec_t *spec, fanmap_kind_t kind)
{
    bool failed = kind != FANMAP_VALUE;
    const halt_t *halt = &spec->halt;
    if (spec->fail_fast && failed)
        return END_FAIL_FAST;
    if (halt->when != HALT_NOW || halt->is_percent || halt->threshold != 1)
        return 0;
    bool counts = halt->what == HALT_DONE || (halt->what == HALT_FAIL) == failed;
    return counts ? END_HALT : 0;
}

/* With this outcome the job is over, or halts, as far as can be told here: nothing more of it starts, and a token stays
 * withheld, until the word of it is back or HOLD_MS after it was stored. Other workers' outcomes can make that true
 * earlier, and an outcome that another stands before in the log is none: what counts is what readers say. */
static void hold(worker_t *w, worker_item_t *item, fanmap_kind_t kind)
{
    worker_job_t *job = item->job;
    job->failed_n += kind != FANMAP_VALUE;
    job->values_n += kind == FANMAP_VALUE;
    item->holds = job_outcomes_left(job) == 0;
    if (!item->holds)
        return;
    job->hold_until_ms = INT64_MAX;
    job_stop_starting(w, job);
}

void outcome_publish(worker_t *w, worker_item_t *item, const outcome_t *outcome)
{
    worker_action_t *action = act(w, WORKER_PUBLISH);
    invariant(item->list == NULL && item->job->spec != NULL);
    if (action == NULL)
        return;
    action->publish.item = item;
    action->publish.spec = item->job->spec;
    action->publish.outcome = *outcome;
    action->publish.outcome.index = item->index;
    action->publish.outcome.attempts = item->attempts;
    action->publish.outcome.has_wait = item->has_wait;
    action->publish.outcome.wait_ms = item->wait_ms;
    if (item->part->source != NULL)
        source_tell(item, &action->publish.source);
    item->kind = (uint8_t)outcome->kind;
    if (outcome->run_us > 0)
        histogram_add(&w->counts[item->part->task].duration, outcome->run_us);
    item->end_reason = (uint8_t)closes(item->job->spec, outcome->kind);
    hold(w, item, outcome->kind);
    item_set_state(item, STATE_PUBLISHING);
    w->stats.publishing++;
    item_release(w, item);
}

/* Whoever sent it kept no bound, or ours is lower. */
bool outcome_too_large(worker_t *w, worker_item_t *item)
{
    char message[96];
    uint32_t of_job = item->job->spec->item_bytes_max, ours = w->config.item_bytes_max;
    uint32_t max = ours > 0 && ours < of_job ? ours : of_job;
    if (item->in_len <= (uint64_t)max + ITEM_SLACK_BYTES)
        return false;
    int len = snprintf(message, sizeof message, "the item has %" PRIu32 " bytes, over the limit of %" PRIu32 "%s",
                       item->in_len, max, max < of_job ? " of this worker" : "");
    outcome_publish(w, item, &(outcome_t){.kind = FANMAP_TOO_LARGE, .message = message, .message_len = (size_t)len});
    return true;
}

void outcome_crashed(worker_t *w, worker_item_t *item)
{
    static const char message[] =
        "its worker or the guardian of its slots died while it ran, or it killed its slot, too often";
    outcome_t outcome = {.kind = FANMAP_CRASHED, .message = message, .message_len = sizeof message - 1};
    item->attempts++; /* the one that ended so */
    outcome_publish(w, item, &outcome);
}

void outcome_bad_input(worker_t *w, worker_item_t *item)
{
    outcome_t outcome = {.kind = FANMAP_BAD_INPUT, .message = item->bad, .message_len = strlen(item->bad)};
    outcome_publish(w, item, &outcome);
}
