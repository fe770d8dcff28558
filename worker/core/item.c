/* An item's life in this worker: the states and what they count, its places in lists, and its end.
 *
 * Where an item may go: into its job's queue; to where it waits for a commit that names it, or for another's claim; into a slot
 * (slots.c); back from there; out to Kafka (publish.c); and away, with its offset finished or, where it is another's now,
 * without.
 */
#include "worker/core/state.h"

bool item_is_tried(const worker_item_t *item)
{
    return item->charges > 0 || (item->attempts > 0 && (!item_is_published(item) || item->is_handed));
}

/* The edges of an item's life. What is published does not come back, and what another claims is not ours to start or publish. */
static bool may_become(const worker_item_t *item, item_state_t next)
{
    switch ((item_state_t)item->state) {
    case STATE_RECEIVED:
    case STATE_QUEUED:
        return next != STATE_CLOSING;
    case STATE_DELAYED:
        return next == STATE_QUEUED || next == STATE_CLAIMED || next == STATE_PUBLISHING;
    case STATE_RUNNING:
        return next == STATE_QUEUED || next == STATE_DELAYED || next == STATE_PUBLISHING || next == STATE_CLAIMED;
    case STATE_PUBLISHING:
        return next == STATE_CLOSING || (item->is_handed && next == STATE_QUEUED);
    case STATE_CLOSING:
        return false;
    case STATE_CLAIMED:
        return next == STATE_QUEUED || next == STATE_RECEIVED || next == STATE_PUBLISHING || next == STATE_CLAIMED;
    }
    return false;
}

static inline void count_state(worker_item_t *item, item_state_t state)
{
    worker_part_t *part = item->part;
    invariant(item->state != STATE_RUNNING || part->runs_n > 0);
    invariant(!item_is_published(item) || part->publishing_n > 0);
    part->runs_n -= item->state == STATE_RUNNING;
    part->publishing_n -= item_is_published(item);
    item->state = (uint8_t)state;
    part->runs_n += state == STATE_RUNNING;
    part->publishing_n += item_is_published(item);
    if ((item->attempts | item->charges) > 0)
        part->has_tried |= item_is_tried(item);
}

void item_set_state(worker_item_t *item, item_state_t state)
{
    invariant(may_become(item, state));
    count_state(item, state);
}

bool item_is_ours(const worker_item_t *item)
{
    return item->part->is_owned && item->ownership == item->part->ownership;
}

bool item_is_kept(const worker_item_t *item)
{
    return item->is_claimed || item_is_ours(item);
}

bool item_may_run(const worker_item_t *item)
{
    return (item->is_claimed || (item_is_ours(item) && !item->part->is_revoking)) && !item->job->is_ended;
}

void item_release_payload(worker_t *w, void *payload)
{
    worker_action_t *action = payload != NULL ? act(w, WORKER_RELEASE) : NULL;
    if (action != NULL)
        action->release.payload = payload;
}

void item_release(worker_t *w, worker_item_t *item)
{
    if (item->payload == NULL)
        return;
    item_release_payload(w, item->payload);
    item->payload = NULL;
    invariant(w->stats.payload_bytes >= item->record_len);
    w->stats.payload_bytes -= item->record_len;
    if (item->job != NULL)
        item->job->payload_bytes -= item->record_len;
}

static void leave_part(worker_item_t *item)
{
    worker_part_t *part = item->part;
    if (item->part_prev != NULL)
        item->part_prev->part_next = item->part_next;
    else
        part->items = item->part_next;
    if (item->part_next != NULL)
        item->part_next->part_prev = item->part_prev;
    if (item->is_survivor)
        part_forget_survivor(part, item);
    count_state(item, STATE_QUEUED); /* nothing counts it any more */
}

void item_join(worker_part_t *part, worker_item_t *item)
{
    item->part = part;
    item->ownership = part->ownership;
    item->log = part->log;
    item->part_next = part->items;
    if (part->items != NULL)
        part->items->part_prev = item;
    part->items = item;
}

void item_discard(worker_t *w, worker_item_t *item)
{
    if (item->attempts + item->charges > 0 && item->part->is_revoking && item->state != STATE_PUBLISHING)
        part_note_counts(w, item->part, item);
    name_drop(w, item);
    suspect_end(w, item);
    claim_set(w, item, false);
    heap_remove(&w->delayed, &item->delay);
    item_unlink(item);
    item_release(w, item);
    source_leave_key(w, item);
    leave_part(item);
    invariant(item->job == NULL || item->job->items_n > 0);
    if (item->job != NULL)
        item->job->items_n--;
    item_free(&w->pool, item);
}

void item_finish(worker_t *w, worker_item_t *item)
{
    worker_part_t *part = item->part;
    if (part->source != NULL && (!source_finishes(item) || item->state != STATE_PUBLISHING)) {
        item->attempts = item->charges = 0;
        item_discard(w, item); /* it is run again by whoever has the lane, unless the stream has ended */
        return;
    }
    if (item->log == part->log)
        tracker_finish(&part->tracker, item->offset);
    if (part->source != NULL)
        source_finished(w, part);
    part->is_dirty = true;
    w->failed |= part->tracker.done.failed;
    if (claim_is_lost(w, item))
        claim_report(w, item, true);
    item->lost_n = 0;
    if (item->is_claimed && !item_is_ours(item)) /* perhaps under both member ids: either claim ends */
        claim_report(w, item, true);
    item->attempts = item->charges = 0;
    item_discard(w, item);
}

void item_queue(worker_t *w, worker_item_t *item)
{
    w->failed |= !lanes_add(&item->job->queue, item);
    batch_queued(w, item);
}

void item_enqueue(worker_t *w, worker_item_t *item, bool at_front)
{
    worker_job_t *job = item->job;
    if (!item->is_claimed && claim_find(item->part, item->offset) != NULL) {
        item_set_state(item, STATE_CLAIMED);
        item_list_append(&job->claimed, item);
        return;
    }
    invariant(job->spec != NULL);
    item_set_state(item, STATE_QUEUED);
    if (!name_must_wait(item)) {
        item_queue(w, item);
        return;
    }
    if (item->name == NAME_NONE)
        suspect_end(w, item); /* a closing commit took the name of the one that ran: it asks anew */
    w->has_unnamed = true;
    job->is_wary |= name_is_needed(item);
    item_list_insert(&job->unnamed, item, at_front ? job->unnamed.head : NULL);
}

void item_hand_back(worker_t *w, worker_item_t *item)
{
    if (!item_is_ours(item))
        claim_report(w, item, false);
    item_discard(w, item);
}

void item_requeue(worker_t *w, worker_item_t *item)
{
    if (claim_is_lost(w, item) && !item->job->is_ended)
        claim_report(w, item, false);
    item->lost_n = 0;
    if (item->job->is_ended)
        item_finish(w, item);
    else if (item->is_claimed && w->is_draining)
        item_hand_back(w, item);
    else if (!item_may_run(item))
        item_discard(w, item);
    else
        item_enqueue(w, item, true);
}
