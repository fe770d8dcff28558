/* Ownership of items partitions.
 *
 * The happy path: a partition is assigned with the commit of its last owner, items arrive and finish, the finished
 * prefix is committed once a second (worker/core/commits.c). A partition that is taken away: what was not started is dropped
 * (the next owner reads it again), outcomes on their way to Kafka get a moment, and the closing commit claims what
 * runs. That stays here as an item without a partition of ours (worker/core/claims.c); when the partition comes back, its
 * record is matched by offset and not started a second time.
 *
 * What can fail: the assignment is lost, the closing commit is not acknowledged, or our member id turns out to be
 * another than before. Then everything may be someone else's already: every attempt is killed, none is tried again
 * here, and the worker joins as a new member.
 */
#include "worker/core/state.h"

#include <stdlib.h>

/* ---- being assigned ---- */

/* Whatever is left of an earlier ownership, by offset. */
static void list_survivors(worker_t *w, worker_part_t *part)
{
    size_t n = 0;
    free(part->survivors);
    part->survivors = NULL;
    part->survivors_n = 0;
    for (worker_item_t *item = part->items; item != NULL; item = item->part_next)
        n += item->log == part->log;
    if (n == 0)
        return;
    part->survivors = calloc(n, sizeof *part->survivors);
    if (part->survivors == NULL) {
        w->failed = true;
        return;
    }
    for (worker_item_t *item = part->items; item != NULL; item = item->part_next) {
        if (item->log != part->log)
            continue;
        part->survivors[part->survivors_n++] = (survivor_t){item->offset, item};
        item->is_survivor = true;
    }
    qsort(part->survivors, n, sizeof *part->survivors, by_offset);
}

worker_item_t *part_adopt(worker_t *w, worker_part_t *part, int64_t offset)
{
    survivor_t *found = part->survivors_n > 0 ? part_find_survivor(part, offset, NULL) : NULL;
    if (found == NULL)
        return NULL;
    worker_item_t *item = found->item;
    invariant(item->offset == offset && item->part == part && item->ownership != part->ownership);
    found->item = NULL;
    item->is_survivor = false;
    item->ownership = part->ownership;
    claim_set(w, item, false);
    if (item->state == STATE_RUNNING)
        name_hold(w, item);
    if (item->state == STATE_QUEUED && item->list != &item->job->unnamed) { /* perhaps it needs a name now */
        item_unlink(item);
        item_enqueue(w, item, true);
    }
    return item;
}

static bool is_unstarted(const worker_item_t *item)
{
    return item->state == STATE_RECEIVED || item->state == STATE_QUEUED || item->state == STATE_DELAYED ||
           item->state == STATE_CLAIMED;
}

/* But for what we claimed: that stays. */
static void drop_unstarted(worker_t *w, worker_part_t *part)
{
    for (worker_item_t *item = part->items, *next; item != NULL; item = next) {
        next = item->part_next;
        if (!is_unstarted(item) || item->is_claimed)
            continue;
        committed_names_note_counts(part, item);
        item_discard(w, item);
    }
    slots_withdraw(w, part);
}

/* What stays is claimed, or over: no later commit of ours names it for having a name now. */
static void disown(worker_t *w, worker_part_t *part)
{
    for (worker_item_t *item = part->items; item != NULL && part->names_n > 0; item = item->part_next)
        name_drop(w, item);
    part->is_owned = part->is_revoking = part->is_dirty = part->must_commit = false;
    part->ownership++;
    deferred_forget(w, part);
    buf_clear(&part->counts);
    claims_forget(w, part);
    if (w->suspect_part == part)
        w->suspect_part = NULL;
}

/* Our claims are void: what they kept is killed and dropped. */
static void lose_claims(worker_t *w)
{
    for (uint32_t i = 0; i < w->parts_n && w->kept_n > 0; i++) {
        worker_part_t *part = w->parts[i];
        for (worker_item_t *item = part != NULL ? part->items : NULL, *next; item != NULL; item = next) {
            next = item->part_next;
            if (!item->is_claimed)
                continue;
            claim_set(w, item, false);
            item->lost_n = w->lost_n;
            if (!is_unstarted(item))
                continue;
            if (claim_is_lost(w, item))
                claim_report(w, item, false);
            item_discard(w, item);
        }
    }
    slots_review(w);
}

/* What is in the slots is killed, and a word about it is due under the old member id. */
static void mark_lost(worker_t *w)
{
    if (w->member[0] == '\0')
        return;
    w->lost_n++;
    memcpy(w->lost_member, w->member, sizeof w->lost_member);
    for (uint32_t i = 0; i < w->config.slots_n; i++)
        for (worker_item_t *item = w->slots[i].runs.head; item != NULL; item = item->next)
            item->lost_n = w->lost_n;
}

static void take_member(worker_t *w, const char *member)
{
    if (member == NULL || strlen(member) > COMMIT_MEMBER_MAX || strcmp(w->member, member) == 0)
        return;
    if (w->kept_n > 0) {
        mark_lost(w);
        lose_claims(w);
    }
    w->member_len = strlen(member);
    memcpy(w->member, member, w->member_len + 1);
    for (uint32_t i = 0; i < w->parts_n; i++)
        if (w->parts[i] != NULL)
            buf_clear(&w->parts[i]->released);
}

/* False: it is another log than we knew, and items of that one are here. */
static bool read_commit(worker_t *w, worker_part_t *part, const worker_event_t *e)
{
    commit_decoded_t decoded = {.meta = {.mark = -1, .horizon = -1}};
    decoded.meta.clean =
        part->source != NULL && e->assigned.metadata_len == 0; /* of whoever began it: nothing has run */
    if (e->assigned.was_committed && e->assigned.metadata_len > 0)
        (void)commit_decode(e->assigned.metadata, e->assigned.metadata_len, e->assigned.offset, &decoded);
    if (part->source == NULL)
        log_found(w, part, e->assigned.was_committed, &decoded.meta);
    bool is_sound = !log_is_haunted(part);
    int64_t from = part->source != NULL ? part->source->commit : e->assigned.offset;
    bool is_read =
        tracker_assign(&part->tracker, from, e->assigned.was_committed, e->assigned.metadata, e->assigned.metadata_len);
    if (!is_read)
        note_part(w, FANMAP_LOG_WARNING, part, "the last commit's metadata could not be read");
    part->mark = -1;
    if (part->source == NULL && !e->assigned.was_committed && e->assigned.offset > 0) /* the first commit ends this */
        note_part(w, FANMAP_LOG_WARNING, part,
                  "Kafka no longer has offsets before %lld, and no commit says that they ran; what had not run is "
                  "listed as lost",
                  (long long)e->assigned.offset);
    if (e->assigned.was_committed && is_sound)
        claims_found(w, part, &decoded.meta);
    commit_decoded_free(&decoded);
    return is_sound;
}

void part_assigned(worker_t *w, const worker_event_t *e)
{
    worker_part_t *part = part_get(w, e->assigned.lane);
    if (part == NULL)
        return;
    if (part->is_owned) {
        disown(w, part);
        drop_unstarted(w, part);
    }
    buf_clear(&part->said);
    take_member(w, e->assigned.member);
    part->partition = e->assigned.partition;
    part->task = e->assigned.task;
    part->is_owned = true;
    part->ownership++;
    part->committed = e->assigned.was_committed ? e->assigned.offset : -1;
    part->horizon = part->horizon_sent = -1;
    memset(part->horizons, 0, sizeof part->horizons);
    if (e->assigned.stream != NULL && !source_begin(w, part, e)) {
        w->failed = true;
        return;
    }
    part->first_number = w->commits_n + 1;
    part->answered_number = w->commits_n;
    part->unaccepted_ms = 0;
    if (!read_commit(w, part, e)) {
        parts_lost(w);
        return;
    }
    w->failed |= part->tracker.done.failed;
    if (part->source == NULL)
        list_survivors(w, part); /* of a stream nothing outlives its ownership */
    claims_void_answers(w);
    part_commit(w, part, false); /* before anything starts */
    if (part->source != NULL)
        part->is_dirty = true; /* how far its log is whole is still to be said */
    if (part->source != NULL && e->assigned.offset > part->source->commit)
        intake_gap(w, part->number, part->source->commit, e->assigned.offset);
}

void parts_rebalanced(worker_t *w, const char *member)
{
    for (uint32_t i = 0; i < w->parts_n; i++)
        if (w->parts[i] != NULL && !w->parts[i]->is_owned)
            buf_clear(&w->parts[i]->said); /* its closing commit was stored */
    take_member(w, member);
}

/* ---- being revoked ---- */

void part_let_go(worker_t *w, worker_part_t *part)
{
    part_commit(w, part, true);
    worker_action_t *action = act(w, WORKER_LET_GO);
    if (action != NULL)
        action->let_go.lane = part->number;
    disown(w, part);
    slots_review(w);
}

void part_revoked(worker_t *w, int32_t lane, bool may_wait)
{
    worker_part_t *part = part_get(w, lane);
    if (part == NULL || !part->is_owned || part->is_revoking)
        return;
    part->is_revoking = true;
    part->revoke_end_ms = w->now_ms + w->config.revoke_ms;
    deferred_forget(w, part);
    drop_unstarted(w, part);
    if (may_wait)
        return; /* parts_turn does the rest, in this step if nothing is under way */
    part_commit(w, part, true);
    disown(w, part);
    slots_review(w);
}

void parts_lost(worker_t *w)
{
    mark_lost(w);
    for (uint32_t i = 0; i < w->parts_n; i++) {
        worker_part_t *part = w->parts[i];
        if (part == NULL)
            continue;
        if (part->is_owned) {
            disown(w, part);
            drop_unstarted(w, part);
        }
        committed_names_release(w, part); /* also where the closing commit, which does not say it, may not be stored */
    }
    lose_claims(w);
    w->member[0] = '\0';
    w->member_len = 0;
    w->is_doubtful = false; /* whatever is assigned next is committed before anything starts */
    act(w, WORKER_JOIN_ANEW);
}
