/* What is committed of a partition: the finished prefix, and in the metadata all that the next owner must know.
 *
 * A commit names what runs: the heads of the slots, what starts only under a name, what others have claimed, and what
 * we claimed before. A closing commit claims everything in the slots and on its way to Kafka, and is the only kind with
 * the clean flag: nothing runs but what it names. Room for the heads is kept free at every start (worker/core/poison.c), so
 * that names always fit; what runs ahead in a slot is taken back before a partition is closed.
 *
 * Commits have numbers, and answers name them. An accepted one shows that at some time behind its sending the group
 * knew us: it raises the horizon, makes names hold, and ends the doubt after a gap.
 */
#include "worker/core/state.h"

#include <stdlib.h>

enum { HORIZON_AHEAD = 16384 /* offsets beyond what has arrived that may start before the next commit */ };

/* ---- counts ---- */

/* An outcome on its way used its last attempt; it matters only that its charges are not lost with us. */
static void note_published(worker_t *w, worker_part_t *part, const worker_item_t *item)
{
    worker_item_t before = *item;
    before.attempts -= before.attempts > 0;
    part_note_counts(w, part, &before);
}

static void collect_tried(worker_t *w, worker_part_t *part)
{
    part->has_tried = false;
    for (const worker_item_t *item = part->items; item != NULL; item = item->part_next) {
        if (!item_is_tried(item))
            continue;
        part->has_tried = true;
        if (item_is_published(item) && !item->is_handed)
            note_published(w, part, item);
        else
            part_note_counts(w, part, item);
    }
}

static uint32_t collect_counts(worker_t *w, worker_part_t *part)
{
    if (part->has_tried)
        collect_tried(w, part);
    tracker_unarrived_counts(&part->tracker, &part->counts);
    size_t n = part->counts.len / sizeof(commit_count_t);
    if (n > 0)
        qsort(part->counts.data, n, sizeof(commit_count_t), by_offset);
    return (uint32_t)n;
}

/* ---- names ---- */

typedef struct {
    commit_name_t at[COMMIT_NAMES_MAX];
    const char *members[COMMIT_NAMES_MAX];
    uint32_t n, members_n;
} names_t;

/* What is finished needs none, though it may still be in hand: a dead letter that another had on its way, too. */
static void add_name(names_t *names, const worker_part_t *part, int64_t offset, const char *member)
{
    uint32_t m = 0;
    if (names->n == COMMIT_NAMES_MAX || member[0] == '\0' || tracker_is_finished(&part->tracker, offset))
        return;
    while (m < names->members_n && strcmp(names->members[m], member) != 0)
        m++;
    if (m == names->members_n)
        names->members[names->members_n++] = member;
    names->at[names->n++] = (commit_name_t){offset, m};
}

static void collect_claims(const worker_part_t *part, names_t *names)
{
    for (uint32_t i = 0; i < part->claims_n; i++)
        add_name(names, part, part->claims[i].offset, part->claims[i].member);
}

static void collect_own(worker_t *w, worker_part_t *part, uint64_t number, names_t *names)
{
    for (worker_item_t *item = part->items; item != NULL && part->kept_n + part->names_n > 0; item = item->part_next) {
        if (!item->is_claimed && item->name == NAME_NONE)
            continue;
        add_name(names, part, item->offset, w->member);
        if (!item->is_claimed)
            committed_names_add(w, part, item->offset, number);
        if (item->name == NAME_ASKED && item->name_number == 0)
            item->name_number = number;
    }
    for (uint32_t i = 0; i < w->config.slots_n; i++) {
        const worker_item_t *item = w->slots[i].runs.head;
        if (item == NULL || item->part != part || !item_is_ours(item) || item->is_claimed || item->name != NAME_NONE)
            continue;
        add_name(names, part, item->offset, w->member);
        committed_names_add(w, part, item->offset, number);
    }
}

/* Nothing of ours outlives the closing of a stream's lane: what runs there is killed. */
static void collect_names(worker_t *w, worker_part_t *part, uint64_t number, bool is_closing, names_t *names)
{
    collect_claims(part, names);
    if (part->source == NULL || !is_closing)
        collect_own(w, part, number, names);
    qsort(names->at, names->n, sizeof names->at[0], by_offset);
}

/* What has a name has its room; what has none may take what these leave. */
static void claim_if_it_fits(worker_t *w, worker_part_t *part, worker_item_t *item)
{
    uint32_t named_n = item->name == NAME_NONE ? part->names_n : 0;
    if (item->part != part || part->source != NULL || item->is_claimed || !item_is_ours(item) ||
        claim_was_released(part, item->offset) || part->claims_n + part->kept_n + named_n >= names_max(w, part))
        return;
    name_drop(w, item);
    claim_set(w, item, true);
}

/* Everything that would be done twice otherwise: what runs first, then what may run any moment, then what has run. What is not
 * claimed has no name from then on: its next owner would wait for a word that nobody owes. */
static void claim_all(worker_t *w, worker_part_t *part)
{
    for (uint32_t i = 0; i < w->config.slots_n; i++)
        if (w->slots[i].runs.head != NULL)
            claim_if_it_fits(w, part, w->slots[i].runs.head);
    for (uint32_t i = 0; i < w->config.slots_n; i++)
        for (worker_item_t *item = w->slots[i].runs.head; item != NULL; item = item->next)
            claim_if_it_fits(w, part, item);
    for (worker_item_t *item = part->items; item != NULL; item = item->part_next)
        if (item_is_published(item))
            claim_if_it_fits(w, part, item);
    for (worker_item_t *item = part->items; item != NULL && part->names_n > 0; item = item->part_next)
        name_drop(w, item);
}

/* ---- commits ---- */

/* One commit of a partition a step: a second one takes the place of the first. */
static worker_action_t *commit_action(worker_t *w, worker_part_t *part)
{
    for (size_t i = w->actions->n; part->commit_step == w->steps && i-- > 0;) {
        worker_action_t *action = &w->actions->at[i];
        if (action->type == WORKER_COMMIT && action->commit.lane == part->number)
            return action;
    }
    part->commit_step = w->steps;
    return act(w, WORKER_COMMIT);
}

/* Raised in strides, so that most commits say what the one before said. */
static void raise_horizon(worker_part_t *part, uint64_t number)
{
    if (part->tracker.position + HORIZON_AHEAD / 2 <= part->horizon_sent)
        return;
    part->horizon_sent = part->tracker.position + HORIZON_AHEAD;
    part->horizons[part->horizons_n++ % HORIZONS_MAX] = (horizon_t){number, part->horizon_sent};
}

/* Of a stream without what is finished beyond the prefix: that counts in this ownership only. */
static void encode(worker_part_t *part, const commit_meta_t *meta)
{
    uint32_t left_out;
    if (part->source == NULL)
        tracker_encode(&part->tracker, meta, &part->metadata);
    else
        (void)commit_encode(&part->metadata, meta, part_prefix(part), &left_out);
}

static void commit(worker_t *w, worker_part_t *part, bool is_clean, bool is_closing)
{
    names_t names = {0};
    uint64_t number = ++w->commits_n;
    invariant(part->is_owned && part->asked_number < number && part->committed <= part_prefix(part));
    worker_action_t *action = commit_action(w, part);
    if (action == NULL)
        return;
    claims_prune(w, part);
    claims_prune_released(part);
    committed_names_prune(part, 0);
    if (part->mark <= tracker_prefix(&part->tracker))
        part->mark = -1;
    raise_horizon(part, number);
    collect_names(w, part, number, is_closing, &names);
    commit_meta_t meta = {.clean = is_clean,
                          .mark = part->mark,
                          .horizon = part->horizon_sent,
                          .log = part->log,
                          .witness = part->witness,
                          .witness_ms = part->witness_ms,
                          .members = names.members,
                          .members_n = names.members_n,
                          .names = names.at,
                          .names_n = names.n,
                          .bytes_max = w->config.metadata_max};
    meta.counts_n = collect_counts(w, part);
    meta.counts = (const commit_count_t *)(const void *)part->counts.data;
    buf_clear(&part->metadata);
    encode(part, &meta);
    buf_clear(&part->counts);
    w->failed |= part->metadata.failed;
    action->commit.lane = part->number;
    action->commit.offset = part_prefix(part);
    action->commit.metadata = (const char *)part->metadata.data;
    action->commit.metadata_len = part->metadata.len;
    action->commit.number = part->asked_number = number;
    action->commit.is_closing = is_closing;
    if (part->unaccepted_ms == 0)
        part->unaccepted_ms = w->now_ms;
    part->is_dirty = part->must_commit = false;
}

void part_commit(worker_t *w, worker_part_t *part, bool is_closing)
{
    if (is_closing)
        claim_all(w, part);
    commit(w, part, is_closing, is_closing);
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
        if (part != NULL && part->is_owned &&
            (part->committed < part_prefix(part) || part->asked_number > part->answered_number))
            return false; /* the last one says that nothing runs, which the one before may not */
    }
    return true;
}

/* ---- what the answers prove ---- */

void parts_doubt(worker_t *w)
{
    w->is_doubtful = w->kept_n > 0;
    w->doubt_commit = w->commits_n;
    w->doubt_describe = w->describe.number;
    if (w->kept_n > 0)
        claims_void_answers(w);
    for (uint32_t i = 0; i < w->parts_n; i++) {
        worker_part_t *part = w->parts[i];
        if (part == NULL || !part->is_owned)
            continue;
        w->is_doubtful = true;
        commit(w, part, false, false);
    }
    if (!w->is_doubtful)
        return;
    slots_withdraw(w, NULL);
    note(w, FANMAP_LOG_WARNING, "the worker was stopped for a while: nothing starts until the group answers");
}

static void take_acceptance(worker_t *w, worker_part_t *part, uint64_t number)
{
    if (number > w->doubt_commit)
        w->is_doubtful = false;
    for (uint32_t i = 0; i < HORIZONS_MAX; i++)
        if (part->horizons[i].number > 0 && part->horizons[i].number <= number &&
            part->horizons[i].offset > part->horizon)
            part->horizon = part->horizons[i].offset;
    committed_names_prune(part, number);
    names_accepted(w, part, number);
}

void part_committed(worker_t *w, const worker_event_t *e)
{
    worker_part_t *part = part_get(w, e->committed.lane);
    if (part == NULL || !part->is_owned || e->committed.number < part->first_number)
        return;
    if (e->committed.number > part->answered_number)
        part->answered_number = e->committed.number;
    if (!e->committed.ok) {
        part->is_dirty = true;
        return;
    }
    if (e->committed.offset > part->committed)
        part->committed = e->committed.offset;
    part->unaccepted_ms = part->asked_number > e->committed.number ? w->now_ms : 0;
    take_acceptance(w, part, e->committed.number);
}

/* ---- when ---- */

static bool is_being_taken(const worker_t *w, const worker_part_t *part)
{
    for (uint32_t i = 0; i < w->config.slots_n; i++)
        for (const worker_item_t *item = w->slots[i].is_taking ? w->slots[i].runs.head : NULL; item != NULL;
             item = item->next)
            if (item->part == part)
                return true;
    return false;
}

static void revoking_turn(worker_t *w, worker_part_t *part)
{
    if ((part->publishing_n == 0 && !is_being_taken(w, part)) || w->now_ms >= part->revoke_end_ms)
        part_let_go(w, part);
}

static void part_turn(worker_t *w, worker_part_t *part, bool is_due)
{
    bool awaits_answer = part->asked_number > part->answered_number;
    if (part->is_revoking)
        revoking_turn(w, part);
    else if ((part->must_commit && !awaits_answer) || (is_due && (part->is_dirty || part->must_commit))) {
        if (part->source != NULL)
            source_pass(w, part);
        commit(w, part, false, false);
        /* In a quiet lane nothing else would say it. */
        part->is_dirty = part->source != NULL && source_owes(part->source);
    }
}

void parts_turn(worker_t *w)
{
    bool is_due = w->now_ms >= w->commit_next_ms;
    if (is_due)
        w->commit_next_ms = w->now_ms + w->config.commit_every_ms;
    for (uint32_t i = 0; i < w->parts_n; i++)
        if (w->parts[i] != NULL && w->parts[i]->is_owned)
            part_turn(w, w->parts[i], is_due);
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
            due = part->revoke_end_ms;
        else if (part->is_dirty || part->must_commit)
            due = w->commit_next_ms;
        next = due < next ? due : next;
    }
    return next;
}
