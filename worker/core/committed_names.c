/* What our commits say runs here, and may be charged for when we are gone.
 *
 * The happy path: a commit names an item, a later one does not name it any more and is accepted, and it is forgotten.
 *
 * What can fail: the place in the group is lost in between, or the closing commit is not stored. Then the next owner
 * reads the names in an earlier commit, finds our member id missing and charges each, also what never started, or was
 * dropped since. So all of it that is not in hand any more is released, under the old member id. What is in hand is
 * killed, or its outcome is on its way: the word about it follows when it ends. A release too many harms nobody: it
 * counts only where a claim of that member stands.
 */
#include "worker/core/state.h"

static committed_name_t *find_name(const worker_part_t *part, int64_t offset)
{
    committed_name_t *said = (committed_name_t *)(void *)part->said.data;
    for (size_t i = 0; i < part->said.len / sizeof *said; i++)
        if (said[i].counts.offset == offset)
            return &said[i];
    return NULL;
}

void committed_names_add(worker_t *w, worker_part_t *part, int64_t offset, uint64_t number)
{
    committed_name_t *known = find_name(part, offset), said = {.counts.offset = offset, .number = number};
    if (known != NULL)
        known->number = number;
    else
        buf_append(&part->said, &said, sizeof said);
    w->failed |= part->said.failed;
}

void committed_names_prune(worker_part_t *part, uint64_t number)
{
    committed_name_t *said = (committed_name_t *)(void *)part->said.data;
    size_t n = part->said.len / sizeof *said, kept = 0;
    for (size_t i = 0; i < n; i++)
        if (said[i].number >= number && !tracker_is_finished(&part->tracker, said[i].counts.offset))
            said[kept++] = said[i];
    part->said.len = kept * sizeof *said;
}

void committed_names_note_counts(worker_part_t *part, const worker_item_t *item)
{
    committed_name_t *said = item->attempts + item->charges > 0 ? find_name(part, item->offset) : NULL;
    if (said != NULL)
        said->counts = (commit_count_t){item->offset, item->attempts, item->charges};
}

static worker_item_t *find_in_hand(const worker_part_t *part, int64_t offset)
{
    worker_item_t *item = part->items;
    while (item != NULL && item->offset != offset)
        item = item->part_next;
    return item;
}

static void release(worker_t *w, worker_part_t *part, const commit_count_t *counts)
{
    worker_item_t gone = {.part = part,
                          .offset = counts->offset,
                          .attempts = counts->attempts,
                          .charges = counts->charges,
                          .lost_n = w->lost_n};
    worker_item_t *item = find_in_hand(part, counts->offset);
    if (item != NULL)
        item->lost_n = w->lost_n;
    else
        claim_report(w, &gone, false);
}

void committed_names_release(worker_t *w, worker_part_t *part)
{
    const committed_name_t *said = (const committed_name_t *)(const void *)part->said.data;
    for (size_t i = 0; w->member[0] != '\0' && i < part->said.len / sizeof *said; i++)
        release(w, part, &said[i].counts);
    buf_clear(&part->said);
}
