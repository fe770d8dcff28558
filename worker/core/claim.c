/* One claim: another's, found by offset, and ours, set and taken away; and the note that ends one. */
#include "base/search.h"
#include "worker/core/state.h"

const claim_t *claim_find(const worker_part_t *part, int64_t offset)
{
    size_t i = search_below(part->claims, part->claims_n, sizeof *part->claims, offset);
    return i < part->claims_n && part->claims[i].offset == offset ? &part->claims[i] : NULL;
}

void claim_set(worker_t *w, worker_item_t *item, bool on)
{
    if (item->is_claimed == on)
        return;
    if (on && w->kept_n == 0)
        w->describe.listed_ms = w->now_ms; /* the commit that says so is sent as a member */
    item->is_claimed = on;
    item->part->kept_n += on ? 1 : UINT32_MAX;
    w->kept_n += on ? 1 : UINT32_MAX;
}

bool claim_is_lost(const worker_t *w, const worker_item_t *item)
{
    return item->lost_n > 0 && item->lost_n == w->lost_n;
}

bool claim_was_released(const worker_part_t *part, int64_t offset)
{
    const int64_t *at = (const int64_t *)(const void *)part->released.data;
    for (size_t i = 0; i < part->released.len / sizeof *at; i++)
        if (at[i] == offset)
            return true;
    return false;
}

void claims_prune_released(worker_part_t *part)
{
    int64_t *at = (int64_t *)(void *)part->released.data;
    size_t n = part->released.len / sizeof *at, left = 0;
    for (size_t i = 0; i < n; i++)
        if (at[i] >= tracker_prefix(&part->tracker))
            at[left++] = at[i];
    part->released.len = left * sizeof *at;
}

void claim_report(worker_t *w, worker_item_t *item, bool is_done)
{
    worker_action_t *action = item->part->source != NULL ? NULL : act(w, WORKER_TELL); /* others write that topic */
    if (action == NULL)
        return;
    if (!is_done && !claim_is_lost(w, item))
        buf_append(&item->part->released, &item->offset, sizeof item->offset);
    w->failed |= item->part->released.failed;
    action->tell.lane = item->part->number;
    action->tell.partition = item->part->partition;
    action->tell.offset = item->offset;
    action->tell.is_done = is_done;
    action->tell.attempts = item->attempts;
    action->tell.charges = item->charges;
    action->tell.log = item->log;
    memcpy(action->tell.member, claim_is_lost(w, item) ? w->lost_member : w->member, sizeof action->tell.member);
    (void)memcpy(action->tell.job, item->job != NULL ? item->job->id : "note", item->job != NULL ? JOB_ID_MAX + 1 : 5);
}
