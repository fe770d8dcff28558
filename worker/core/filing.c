/* Where an item goes first: an item that has arrived, whose job became known, or whose claim is over. */
#include "worker/core/state.h"

void item_file(worker_t *w, worker_item_t *item)
{
    worker_job_t *job = item->job;
    bool is_anothers = claim_find(item->part, item->offset) != NULL;
    job_activate(w, job);
    if (job->is_ended) {
        item_finish(w, item);
        return;
    }
    if (job->spec == NULL && !is_anothers) {
        item_set_state(item, STATE_RECEIVED);
        item_queue(w, item);
        item->query = jobs_request_end(w);
        return;
    }
    if (job->spec != NULL && !is_anothers && job->task != item->part->task) {
        item_bury(w, item, job->id, strlen(job->id), DEAD_OTHER_TASK,
                  "it stands on the topic of another task than its job's");
        return;
    }
    if (job->spec != NULL && job->lacks_tokens && !job->is_halting && !is_anothers) {
        job_leave(w, job, item->part, item->offset);
        item_discard(w, item);
        return;
    }
    if (source_waits_for_key(item))
        return;
    if (item->bad != NULL) {
        outcome_bad_input(w, item);
        return;
    }
    if (!is_anothers && job->spec->crash_cap > 0 && item->charges >= job->spec->crash_cap) {
        outcome_crashed(w, item);
        return;
    }
    if (!is_anothers && outcome_too_large(w, item))
        return;
    if (job->spec != NULL && item->hops > 0 && item->attempts > job->spec->retries)
        item->attempts = job->spec->retries;
    limits_begin(w, job);
    if (item->attempts > 0 && job->tokens != NULL)
        item->fence = tokens_fence(job->tokens); /* tried elsewhere: it needs a newer grant than any before it came */
    item_enqueue(w, item, false);
    job_mark(w, job);
}
