/* Ownership of items partitions, and what is committed of them.
 *
 * The happy path: a partition is assigned with the commit of its last owner, items arrive and finish, the finished
 * prefix is committed once a second. A partition that is taken away: what was not started is dropped (the next owner
 * reads it again), what runs may end and be stored while the rebalance waits, for a bounded time; what still runs then
 * is killed, so that nothing runs here and there at once. The closing commit is the last word. What is under way after
 * that (an attempt being killed, an outcome on its way to Kafka) survives as an item without a partition of ours; when
 * the partition comes back, its record is matched by offset and not started a second time.
 */
#include "worker/state.h"

#include <stdlib.h>

worker_part_t *part_get(worker_t *w, int32_t number)
{
    if (number < 0 || number >= PARTITIONS_MAX)
        return NULL;
    worker_part_t **place = &w->parts[number];
    if (*place == NULL) {
        *place = calloc(1, sizeof **place);
        if (*place == NULL) {
            w->failed = true;
            return NULL;
        }
        (*place)->number = number;
        if ((uint32_t)number >= w->parts_n)
            w->parts_n = (uint32_t)number + 1;
    }
    return *place;
}

void parts_free(worker_t *w)
{
    for (uint32_t i = 0; i < w->parts_n; i++) {
        worker_part_t *part = w->parts[i];
        if (part == NULL)
            continue;
        tracker_free(&part->tracker);
        buf_free(&part->metadata);
        buf_free(&part->counts);
        free(part->survivors);
        free(part);
    }
}

static int by_offset(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b; /* the first field of what is sorted */
    return x < y ? -1 : x > y;
}

/* ---- commits ---- */

void part_note_counts(worker_t *w, worker_part_t *part, const worker_item_t *item)
{
    commit_count_t count = {item->offset, item->attempts, item->charges};
    buf_append(&part->counts, &count, sizeof count);
    w->failed |= part->counts.failed;
}

static uint32_t collect_counts(worker_t *w, worker_part_t *part)
{
    for (worker_item_t *item = part->items; item != NULL; item = item->part_next)
        if (item->attempts > 0 && item->state != STATE_PUBLISHING && item->state != STATE_CLOSING)
            part_note_counts(w, part, item);
    size_t n = part->counts.len / sizeof(commit_count_t);
    if (n > 0)
        qsort(part->counts.data, n, sizeof(commit_count_t), by_offset);
    return (uint32_t)n;
}

/* What runs of this partition: the heads of the slots. */
static uint32_t collect_names(const worker_t *w, const worker_part_t *part, commit_name_t *ret)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < w->config.slots_n && n < COMMIT_NAMES_MAX; i++) {
        const worker_item_t *item = w->slots[i].runs.head;
        if (item != NULL && item->part == part && item_is_ours(item))
            ret[n++] = (commit_name_t){item->offset, 0};
    }
    qsort(ret, n, sizeof *ret, by_offset);
    return n;
}

/* One commit of a partition a step: a second one takes the place of the first. */
static worker_action_t *commit_action(worker_t *w, worker_part_t *part)
{
    for (size_t i = w->actions->n; part->commit_step == w->steps && i-- > 0;) {
        worker_action_t *action = &w->actions->at[i];
        if (action->type == WORKER_COMMIT && action->commit.partition == part->number)
            return action;
    }
    part->commit_step = w->steps;
    return act(w, WORKER_COMMIT);
}

static void commit(worker_t *w, worker_part_t *part, bool is_clean, bool is_closing)
{
    commit_name_t names[COMMIT_NAMES_MAX];
    const char *member = w->member;
    commit_meta_t meta = {.clean = is_clean, .mark = -1, .members = &member, .members_n = 1, .names = names};
    worker_action_t *action = commit_action(w, part);
    if (action == NULL)
        return;
    meta.names_n = collect_names(w, part, names);
    meta.members_n = meta.names_n > 0;
    meta.counts_n = collect_counts(w, part);
    meta.counts = (const commit_count_t *)(const void *)part->counts.data;
    buf_clear(&part->metadata);
    tracker_encode(&part->tracker, &meta, &part->metadata);
    buf_clear(&part->counts);
    w->failed |= part->metadata.failed;
    action->commit.partition = part->number;
    action->commit.offset = tracker_prefix(&part->tracker);
    action->commit.metadata = (const char *)part->metadata.data;
    action->commit.metadata_len = part->metadata.len;
    action->commit.is_closing = is_closing;
    part->is_dirty = false;
}

/* The first answers may be to commits from before the gap: one was under way and one may have waited. */
enum { PROOFS = 3 };

static void prove(worker_t *w, worker_part_t *part, bool ok)
{
    part->proofs += ok;
    if (part->proofs >= PROOFS)
        w->is_doubtful = false;
    else if (ok)
        commit(w, part, false, false);
}

void parts_doubt(worker_t *w)
{
    w->is_doubtful = false;
    for (uint32_t i = 0; i < w->parts_n; i++) {
        worker_part_t *part = w->parts[i];
        if (part == NULL || !part->is_owned)
            continue;
        w->is_doubtful = true;
        part->proofs = 0;
        commit(w, part, false, false);
    }
    if (!w->is_doubtful)
        return;
    slots_withdraw(w, NULL, NULL);
    note(w, FANMAP_LOG_WARNING, "the worker was stopped for a while: nothing starts until the group answers");
}

void part_committed(worker_t *w, int32_t number, int64_t offset, bool ok)
{
    worker_part_t *part = part_get(w, number);
    if (part == NULL || !part->is_owned)
        return;
    if (w->is_doubtful)
        prove(w, part, ok);
    if (ok && offset > part->committed)
        part->committed = offset;
    if (!ok)
        part->is_dirty = true;
}

void parts_commit_all(worker_t *w)
{
    for (uint32_t i = 0; i < w->parts_n; i++)
        if (w->parts[i] != NULL && w->parts[i]->is_owned)
            commit(w, w->parts[i], true, false);
    w->commit_next_ms = w->now_ms + w->config.commit_every_ms;
}

bool parts_are_committed(const worker_t *w)
{
    for (uint32_t i = 0; i < w->parts_n; i++) {
        const worker_part_t *part = w->parts[i];
        if (part != NULL && part->is_owned && part->committed < tracker_prefix(&part->tracker))
            return false;
    }
    return true;
}

/* ---- being assigned ---- */

/* Whatever is left of an earlier ownership, by offset. */
static void list_survivors(worker_t *w, worker_part_t *part)
{
    size_t n = 0;
    free(part->survivors);
    part->survivors = NULL;
    part->survivors_n = 0;
    for (worker_item_t *item = part->items; item != NULL; item = item->part_next)
        n++;
    if (n == 0)
        return;
    part->survivors = calloc(n, sizeof *part->survivors);
    if (part->survivors == NULL) {
        w->failed = true;
        return;
    }
    for (worker_item_t *item = part->items; item != NULL; item = item->part_next) {
        part->survivors[part->survivors_n++] = (survivor_t){item->offset, item};
        item->is_survivor = true;
    }
    qsort(part->survivors, n, sizeof *part->survivors, by_offset);
}

/* Several can stand at one offset: one being killed, one whose outcome is on its way. The last in line decides. */
static survivor_t *find_survivor(worker_part_t *part, int64_t offset, const worker_item_t *item)
{
    size_t low = 0, high = part->survivors_n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (part->survivors[middle].offset < offset)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < part->survivors_n && part->survivors[low].offset == offset; low++)
        if (item == NULL ? part->survivors[low].item != NULL : part->survivors[low].item == item)
            return &part->survivors[low];
    return NULL;
}

worker_item_t *part_adopt(worker_part_t *part, int64_t offset)
{
    survivor_t *found = part->survivors_n > 0 ? find_survivor(part, offset, NULL) : NULL;
    if (found == NULL)
        return NULL;
    worker_item_t *item = found->item;
    found->item = NULL;
    item->is_survivor = false;
    item->ownership = part->ownership;
    return item;
}

void part_forget_survivor(worker_part_t *part, const worker_item_t *item)
{
    survivor_t *found = find_survivor(part, item->offset, item);
    if (found != NULL)
        found->item = NULL;
}

static void drop_unstarted(worker_t *w, worker_part_t *part)
{
    for (worker_item_t *item = part->items, *next; item != NULL; item = next) {
        next = item->part_next;
        if (item->state == STATE_RECEIVED || item->state == STATE_QUEUED || item->state == STATE_DELAYED)
            item_discard(w, item);
    }
    slots_withdraw(w, NULL, part);
}

static void disown(worker_t *w, worker_part_t *part)
{
    w->revoking_n -= part->is_revoking;
    part->is_owned = part->is_revoking = part->is_dirty = false;
    part->ownership++;
    buf_clear(&part->counts);
}

void part_assigned(worker_t *w, const worker_event_t *e)
{
    worker_part_t *part = part_get(w, e->assigned.partition);
    if (part == NULL)
        return;
    if (part->is_owned) {
        disown(w, part);
        drop_unstarted(w, part);
    }
    if (e->assigned.member != NULL && strlen(e->assigned.member) <= COMMIT_MEMBER_MAX)
        memcpy(w->member, e->assigned.member, strlen(e->assigned.member) + 1);
    part->is_owned = true;
    part->ownership++;
    part->committed = e->assigned.was_committed ? e->assigned.offset : -1;
    if (!tracker_assign(&part->tracker, e->assigned.offset, e->assigned.was_committed, e->assigned.metadata,
                        e->assigned.metadata_len))
        note(w, FANMAP_LOG_WARNING, "items partition %d: the last commit's metadata could not be read", part->number);
    w->failed |= part->tracker.done.failed;
    part->is_dirty = true;
    part->proofs = 0;
    list_survivors(w, part);
    if (w->is_doubtful)
        commit(w, part, false, false);
}

/* ---- being revoked ---- */

static void kill_heads(worker_t *w, const worker_part_t *part)
{
    for (uint32_t i = 0; i < w->config.slots_n; i++)
        if (w->slots[i].runs.head != NULL && w->slots[i].runs.head->part == part)
            slot_kill(w, i, true);
}

static void let_go(worker_t *w, worker_part_t *part)
{
    commit(w, part, true, true);
    worker_action_t *action = act(w, WORKER_LET_GO);
    if (action != NULL)
        action->let_go.partition = part->number;
    disown(w, part);
}

void part_revoked(worker_t *w, int32_t number, bool may_wait)
{
    worker_part_t *part = part_get(w, number);
    if (part == NULL || !part->is_owned || part->is_revoking)
        return;
    part->is_revoking = true;
    w->revoking_n++;
    drop_unstarted(w, part);
    if (may_wait) {
        part->revoke_kill_ms = w->now_ms + w->config.revoke_ms;
        part->revoke_end_ms = part->revoke_kill_ms + 1000;
        return; /* parts_turn does the rest, in this step if nothing is under way */
    }
    kill_heads(w, part);
    commit(w, part, true, true);
    disown(w, part);
}

void parts_lost(worker_t *w)
{
    for (uint32_t i = 0; i < w->parts_n; i++) {
        worker_part_t *part = w->parts[i];
        if (part == NULL || !part->is_owned)
            continue;
        disown(w, part);
        drop_unstarted(w, part);
        kill_heads(w, part);
    }
}

static void revoking_turn(worker_t *w, worker_part_t *part)
{
    if (part->runs_n > 0 && w->now_ms >= part->revoke_kill_ms)
        kill_heads(w, part);
    if (part->runs_n + part->publishing_n == 0 || w->now_ms >= part->revoke_end_ms)
        let_go(w, part);
}

void parts_turn(worker_t *w)
{
    for (uint32_t i = 0; w->revoking_n > 0 && i < w->parts_n; i++)
        if (w->parts[i] != NULL && w->parts[i]->is_revoking)
            revoking_turn(w, w->parts[i]);
    if (w->now_ms < w->commit_next_ms)
        return;
    w->commit_next_ms = w->now_ms + w->config.commit_every_ms;
    for (uint32_t i = 0; i < w->parts_n; i++) {
        worker_part_t *part = w->parts[i];
        if (part != NULL && part->is_owned && part->is_dirty && !part->is_revoking)
            commit(w, part, false, false);
    }
}

int64_t parts_next_ms(const worker_t *w)
{
    int64_t next = INT64_MAX, beat_ms = w->config.session_ms > 0 ? w->config.session_ms / 4 : INT64_MAX - w->now_ms;
    for (uint32_t i = 0; i < w->parts_n; i++) {
        const worker_part_t *part = w->parts[i];
        if (part == NULL || !part->is_owned)
            continue;
        int64_t due = w->now_ms + beat_ms; /* so that silence means that we were stopped */
        if (part->is_revoking)
            due = w->now_ms < part->revoke_kill_ms ? part->revoke_kill_ms : part->revoke_end_ms;
        else if (part->is_dirty)
            due = w->commit_next_ms;
        next = due < next ? due : next;
    }
    return next;
}
