/* Items of unknown jobs. Each waits until the jobs topic was read as far as it went after the item arrived. The
 * producer puts the spec there before the first item, so a job that is still unknown then never was one: dead letters.
 */
#include <string.h>

#include "worker/core/state.h"

void item_bury(worker_t *w, worker_item_t *item, const char *key, size_t key_len, worker_dead_t reason, const char *why)
{
    worker_job_t *job = item->job;
    worker_action_t *action = act(w, WORKER_DEAD_LETTER);
    if (action == NULL)
        return;
    action->dead.lane = item->part->number;
    action->dead.offset = item->offset;
    action->dead.key = key;
    action->dead.key_len = key_len;
    action->dead.value = item->record;
    action->dead.value_len = item->record_len;
    action->dead.why = why;
    action->dead.item = item;
    if (job != NULL) {
        item_unlink(item);
        job->items_n--;
        job->payload_bytes -= item->record_len;
        item->job = NULL;
    }
    item_set_state(item, STATE_PUBLISHING);
    w->stats.publishing++;
    w->counts[item->part->task].dead[reason]++;
    bool is_first = w->stats.dead_letters++ == 0;
    if (is_first && job != NULL)
        note(w, FANMAP_LOG_WARNING, "items of job %s go to the dead letters: %s", job->id, why);
    else if (is_first)
        note_part(w, FANMAP_LOG_WARNING, item->part, "the record at offset %lld goes to the dead letters: %s",
                  (long long)item->offset, why);
    item_release(w, item);
}

static void bury_answered(worker_t *w, worker_job_t *job)
{
    worker_item_t *item;
    while (job->spec == NULL && !job->is_ended && (item = lanes_first(&job->queue)) != NULL &&
           item->query <= w->queries_answered)
        item_bury(w, item, job->id, strlen(job->id), DEAD_NO_JOB, "its job is not known");
}

void jobs_position(worker_t *w, bool at_end)
{
    if (!at_end || w->queries_answered == w->queries_sent)
        return;
    w->queries_answered++;
    for (worker_job_t *job = w->active; job != NULL; job = job->active_next)
        bury_answered(w, job);
    unlimited_answered(w);
    if (w->query_wanted)
        jobs_query_end(w);
}
