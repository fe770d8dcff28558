/* What stays with whom when a partition changes hands.
 *
 * The happy path: a partition is taken away while items of it run for hours. Its closing commit names them, with our
 * member id: they are claimed, and stay here to their outcome, retries included. The new owner reads the names, leaves
 * those offsets alone and repeats the claims in its own commits, so that they outlive it. When the outcome is stored we
 * put a done-note on the same items partition, where every later owner reads it behind the item: the claim is over. An
 * owner with claims to wait for reads the partition for notes a second time, beside the group, because a long backlog
 * and a full budget may lie between. If
 * the partition comes back meanwhile, the record is matched with what runs (part_adopt) and nothing was ever said.
 *
 * What can fail:
 * - The claimant dies. Then its member id is missing from a description of the group that was asked for after the claim
 *   was read, and that lists the asker (who is not listed is out itself, and knows nothing). The item is charged, which
 *   worker/core/poison.c makes something of, and is the owner's.
 * - The claimant must give up (it drains, and its time is over): a release-note says so, and costs nothing.
 * - The claimant is cut off. It learns that it is out of the group from the group, or from hearing nothing for a
 *   session: it kills what it runs, says so in release-notes as far as it can, also of what it had only named, and
 *   joins as a new member, so that nobody waits for the old one.
 * - Notes come twice, late, or from strangers. A note counts only if it names partition, offset and member of a claim
 *   that stands; what it says of that stays true for ever, because a member id is never used again.
 */
#include "worker/core/state.h"

#include <stdlib.h>

/* Its last notes are on their way when a member is gone: they get the time until the next question. */
enum { MISSED_DEAD = 2 };

enum { DESCRIBE_MS = 1000, DESCRIBE_LOST_MS = 5000, MARK_UNKNOWN = 1 << 16 };

/* ---- claims of others ---- */

/* An offset can have two: of one who lost its place, and of the same as a new member. */
static const claim_t *find_of_member(const worker_part_t *part, int64_t offset, const char *member)
{
    const claim_t *claim = claim_find(part, offset), *end = part->claims + part->claims_n;
    while (claim != NULL && claim < end && claim->offset == offset && strcmp(claim->member, member) != 0)
        claim++;
    return claim != NULL && claim < end && claim->offset == offset ? claim : NULL;
}

static bool is_first_of_member(const worker_part_t *part, uint32_t i)
{
    for (uint32_t k = 0; k < i; k++)
        if (strcmp(part->claims[k].member, part->claims[i].member) == 0)
            return false;
    return true;
}

static void measure_members(worker_part_t *part)
{
    part->members_bytes = 0;
    for (uint32_t i = 0; i < part->claims_n; i++)
        if (is_first_of_member(part, i))
            part->members_bytes += strlen(part->claims[i].member) + 2;
}

static void watch(worker_t *w, worker_part_t *part, bool on)
{
    worker_action_t *action = part->is_watched == on || part->source != NULL ? NULL : act(w, WORKER_WATCH);
    if (action == NULL)
        return;
    part->is_watched = on;
    action->watch.lane = part->number;
    action->watch.from = on ? part->claims[part->claims_n - 1].offset + 1 : 0;
    action->watch.on = on;
}

void claims_forget(worker_t *w, worker_part_t *part)
{
    watch(w, part, false);
    invariant(w->claims_n >= part->claims_n);
    w->claims_n -= part->claims_n;
    free(part->claims);
    part->claims = NULL;
    part->claims_n = 0;
    part->members_bytes = 0;
}

void claims_found(worker_t *w, worker_part_t *part, const commit_meta_t *meta)
{
    invariant(part->claims == NULL);
    part->mark = meta->mark;
    if (!meta->clean) {
        int64_t far = meta->horizon >= 0 ? meta->horizon : tracker_prefix(&part->tracker) + MARK_UNKNOWN;
        part->mark = far > part->mark ? far : part->mark;
    }
    if (meta->names_n == 0)
        return;
    part->claims = calloc(meta->names_n, sizeof *part->claims);
    if (part->claims == NULL) {
        w->failed = true;
        return;
    }
    for (uint32_t i = 0; i < meta->names_n; i++) {
        const char *member = meta->members[meta->names[i].member];
        if (tracker_is_finished(&part->tracker, meta->names[i].offset) || strcmp(member, w->member) == 0)
            continue;
        claim_t *claim = &part->claims[part->claims_n++];
        claim->offset = meta->names[i].offset;
        memcpy(claim->member, member, strlen(member) + 1);
    }
    w->claims_n += part->claims_n;
    measure_members(part);
    watch(w, part, part->claims_n > 0);
}

static void forget_claim(worker_t *w, worker_part_t *part, uint32_t i)
{
    invariant(i < part->claims_n && w->claims_n >= part->claims_n);
    memmove(&part->claims[i], &part->claims[i + 1], (--part->claims_n - i) * sizeof part->claims[0]);
    w->claims_n--;
    part->is_dirty = true;
    measure_members(part);
    if (part->claims_n == 0)
        watch(w, part, false);
}

void claims_prune(worker_t *w, worker_part_t *part)
{
    for (uint32_t i = part->claims_n; i-- > 0;)
        if (tracker_is_finished(&part->tracker, part->claims[i].offset))
            forget_claim(w, part, i);
}

/* The claimed item, if its record has arrived. */
static worker_item_t *claimed_item(const worker_part_t *part, int64_t offset)
{
    worker_item_t *item = part->items;
    while (item != NULL && (item->offset != offset || item->state != STATE_CLAIMED))
        item = item->part_next;
    return item;
}

/* The claim is over and the item is ours, with so much used. */
static void take_over(worker_t *w, worker_part_t *part, const commit_count_t *counts)
{
    worker_item_t *item = claimed_item(part, counts->offset);
    if (item == NULL) {
        w->failed |= !tracker_count(&part->tracker, counts);
        return;
    }
    item->attempts = counts->attempts;
    item->charges = counts->charges;
    item_unlink(item);
    item_file(w, item);
}

static commit_count_t counts_of(const worker_part_t *part, int64_t offset)
{
    const worker_item_t *item = claimed_item(part, offset);
    if (item != NULL)
        return (commit_count_t){offset, item->attempts, item->charges};
    return tracker_counts(&part->tracker, offset);
}

/* Of a topic of before, by who had not noticed that it was made anew. */
static bool is_of_another_log(const worker_part_t *part, const item_t *note)
{
    return note->log > 0 && note->log != part->log && part->witness_ms >= 0;
}

void claims_note(worker_t *w, worker_part_t *part, const item_t *note)
{
    const claim_t *claim =
        note->partition == part->partition ? find_of_member(part, note->done_offset, note->member) : NULL;
    if (claim == NULL || is_of_another_log(part, note))
        return;
    forget_claim(w, part, (uint32_t)(claim - part->claims));
    if (note->type == ITEM_RELEASE_NOTE) {
        commit_count_t counts = counts_of(part, note->done_offset);
        counts.attempts = note->attempts > counts.attempts ? note->attempts : counts.attempts;
        counts.charges = note->charges > counts.charges ? note->charges : counts.charges;
        take_over(w, part, &counts);
        return;
    }
    worker_item_t *item = claimed_item(part, note->done_offset);
    if (item != NULL)
        item_finish(w, item);
    else
        tracker_finish(&part->tracker, note->done_offset);
}

void claims_heard(worker_t *w, const worker_event_t *e)
{
    item_t note;
    worker_part_t *part = part_get(w, e->item.lane);
    if (part != NULL && part->is_owned && !part->is_revoking && item_decode(e->item.value, e->item.value_len, &note) &&
        note.type != ITEM_RECORD)
        claims_note(w, part, &note);
}

/* ---- who is in the group ---- */

static bool lists(const worker_event_t *e, const char *member)
{
    for (size_t i = 0; i < e->members.n; i++)
        if (strcmp(e->members.at[i], member) == 0)
            return true;
    return false;
}

static void bury_dead(worker_t *w, worker_part_t *part, const worker_event_t *e)
{
    uint32_t dead = 0;
    for (uint32_t i = part->claims_n; i-- > 0;) {
        claim_t claim = part->claims[i];
        part->claims[i].missed = lists(e, claim.member) ? 0 : claim.missed + 1;
        if (part->claims[i].missed < MISSED_DEAD)
            continue;
        commit_count_t counts = counts_of(part, claim.offset);
        counts.charges++;
        forget_claim(w, part, i);
        take_over(w, part, &counts);
        dead++;
    }
    if (dead > 0)
        note_part(w, FANMAP_LOG_WARNING, part, "%u items ran where a worker died; they are charged for it", dead);
}

void claims_members(worker_t *w, const worker_event_t *e)
{
    if (!w->describe.is_asked || e->members.number != w->describe.number)
        return;
    w->describe.is_asked = false;
    w->describe.next_ms = w->now_ms + (w->config.describe_ms > 0 ? w->config.describe_ms : DESCRIBE_MS);
    if (!e->members.ok || e->members.number <= w->describe.void_up_to || w->member[0] == '\0')
        return;
    if (!lists(e, w->member)) {
        if (w->kept_n > 0)
            parts_lost(w);
        return;
    }
    w->describe.listed_ms = w->describe.asked_ms;
    if (w->is_doubtful && e->members.number > w->doubt_describe)
        w->is_doubtful = false;
    for (uint32_t i = 0; i < w->parts_n && w->claims_n > 0; i++)
        if (w->parts[i] != NULL && w->parts[i]->is_owned)
            bury_dead(w, w->parts[i], e);
}

void claims_void_answers(worker_t *w)
{
    w->describe.void_up_to = w->describe.number;
    w->describe.is_asked = false;
    w->describe.next_ms = w->now_ms;
}

static int64_t ask_at_ms(const worker_t *w)
{
    return w->describe.is_asked ? w->describe.asked_ms + DESCRIBE_LOST_MS : w->describe.next_ms;
}

static int64_t lost_at_ms(const worker_t *w)
{
    return w->kept_n > 0 && w->config.session_ms > 0 ? w->describe.listed_ms + w->config.session_ms : INT64_MAX;
}

void claims_turn(worker_t *w)
{
    if (w->now_ms >= lost_at_ms(w))
        parts_lost(w);
    if (w->claims_n + w->kept_n == 0 || w->now_ms < ask_at_ms(w))
        return;
    worker_action_t *action = act(w, WORKER_DESCRIBE);
    if (action == NULL)
        return;
    w->describe.is_asked = true;
    w->describe.asked_ms = w->now_ms;
    action->describe.number = ++w->describe.number;
}

int64_t claims_next_ms(const worker_t *w)
{
    if (w->claims_n + w->kept_n == 0)
        return INT64_MAX;
    int64_t ask = ask_at_ms(w), lost = lost_at_ms(w);
    return ask < lost ? ask : lost;
}

/* ---- our own ---- */
