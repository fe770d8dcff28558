/* Items that take a whole worker down: who is charged, and what a charged item must wait for.
 *
 * The happy path costs nothing: an item starts when there is a slot and a token. Each commit says a horizon, some
 * thousand offsets beyond what has arrived, and only items below an accepted horizon start. So a new owner commits
 * before it starts anything, and whoever finds the commit of a dead worker knows two things: what ran when it was
 * written (the names), and that anything else that may have run since lies below the horizon.
 *
 * After a death: each named item is charged 1 (claims.c), and the horizon becomes the partition's mark. Items below the
 * mark, and charged ones, start only after a commit that names them, many at once: if one of them takes this worker
 * down too, the next owner finds its name. From two charges on, or when the next charge would be the last, an item is a
 * suspect: a worker runs one suspect at a time, while nothing else that has a name or was claimed runs, and commits its
 * end before the next. So the innocent that ran beside the guilty end well, and the guilty one is alone with its last
 * charge. At the job's cap (`--crash-cap`) the outcome is `crashed`. The mark is gone when the prefix has passed it.
 *
 * An item that takes the guardian of all slots down, and not the worker, is found in the same way: what ran is charged 1,
 * each partition's horizon becomes its mark, and what waits to be started waits for a name from then on.
 *
 * Charges for a slot's own death count towards the cap but make no suspect here: that item has shown that it harms its
 * slot only.
 *
 * What can fail: the names do not fit into a commit. Then what has no room waits in `unnamed` until there is some. The
 * same holds for items that need no name beforehand: what runs must fit into the closing commit.
 */
#include "worker/core/state.h"

enum { SUSPECT_CHARGES = 2, LOOK_MAX = 64 };

static uint32_t suspicion(const worker_item_t *item)
{
    return item->charges > item->deaths ? item->charges - item->deaths : 0;
}

/* Two workers died with it, or one did and its next charge is the last. */
static bool is_suspect(const worker_item_t *item)
{
    uint32_t cap = item->job->spec->crash_cap, worker_deaths = suspicion(item);
    return worker_deaths >= SUSPECT_CHARGES || (worker_deaths > 0 && cap > 0 && item->charges + 1 >= cap);
}

static bool needs_name(const worker_item_t *item)
{
    return item->offset < item->part->mark || suspicion(item) > 0;
}

static bool must_wait(const worker_item_t *item)
{
    if (item->is_claimed)
        return false; /* the closing commit named it */
    return item->offset >= item->part->horizon || (needs_name(item) && item->name != NAME_HELD);
}

/* ---- room for names ---- */

/* Of what must be named and is in no slot, or has a name there. */
static uint32_t standing(const worker_part_t *part)
{
    return part->claims_n + part->kept_n + part->names_n;
}

bool part_has_ample_room(const worker_t *w, const worker_part_t *part)
{
    return standing(part) + w->config.slots_n <= part_names_max(w, part);
}

static uint32_t in_slots(const worker_t *w, const worker_part_t *part)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < w->config.slots_n; i++)
        for (const worker_item_t *item = w->slots[i].runs.head; item != NULL; item = item->next)
            n += item->part == part && !item->is_claimed && item->name == NAME_NONE;
    return n;
}

static bool part_has_room(const worker_t *w, const worker_part_t *part)
{
    return part_has_ample_room(w, part) || standing(part) + in_slots(w, part) < part_names_max(w, part);
}

bool item_has_room(const worker_t *w, const worker_item_t *item)
{
    return item->is_claimed || item->name != NAME_NONE || part_has_room(w, item->part);
}

/* ---- waiting ---- */

void item_queue(worker_t *w, worker_item_t *item)
{
    w->failed |= !lanes_add(&item->job->queue, item);
}

void item_enqueue(worker_t *w, worker_item_t *item, bool at_front)
{
    worker_job_t *job = item->job;
    if (!item->is_claimed && claim_find(item->part, item->offset) != NULL) {
        item_set_state(item, STATE_CLAIMED);
        item_list_append(&job->claimed, item);
        return;
    }
    item_set_state(item, STATE_QUEUED);
    if (!must_wait(item)) {
        item_queue(w, item);
        return;
    }
    if (item->name == NAME_NONE)
        item_end_suspect(w, item); /* a closing commit took the name of the one that ran: it asks anew */
    w->has_unnamed = true;
    job->is_wary |= needs_name(item);
    item_list_insert(&job->unnamed, item, at_front ? job->unnamed.head : NULL);
}

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
        item->query = jobs_ask_end(w);
        return;
    }
    if (job->spec != NULL && !is_anothers && strcmp(job->spec->task, w->tasks[item->part->task]) != 0) {
        item_bury(w, item, "it stands on the topic of another task than its job's");
        return;
    }
    if (job->spec != NULL && job->lacks_tokens && !job->is_halting && !is_anothers) {
        job_leave(w, job, item->part, item->offset);
        item_discard(w, item);
        return;
    }
    if (!is_anothers && job->spec->crash_cap > 0 && item->charges >= job->spec->crash_cap) {
        outcome_crashed(w, item);
        return;
    }
    limits_begin(w, job);
    if (item->attempts > 0 && job->tokens != NULL)
        item->fence = tokens_fence(job->tokens); /* tried elsewhere: it needs a newer grant than any before it came */
    item_enqueue(w, item, false);
    job_mark(w, job);
}

/* ---- names ---- */

static void set_name(worker_t *w, worker_item_t *item, item_name_t name)
{
    item->name = (uint8_t)name;
    item->name_number = 0;
    item->part->names_n++;
    item->job->names_n++;
    w->names_n++;
}

static void ask_name(worker_t *w, worker_item_t *item)
{
    set_name(w, item, NAME_ASKED);
    item->part->must_commit = true;
}

void item_hold_name(worker_t *w, worker_item_t *item)
{
    if (item->name == NAME_NONE && needs_name(item))
        set_name(w, item, NAME_HELD);
    if (is_suspect(item) && w->suspect == NULL)
        w->suspect = item; /* nothing that is charged starts beside it */
}

void item_drop_name(worker_t *w, worker_item_t *item)
{
    if (item->name == NAME_NONE)
        return;
    item->name = NAME_NONE;
    item->part->is_dirty = true;
    item->part->names_n--;
    item->job->names_n--;
    w->names_n--;
}

void item_end_suspect(worker_t *w, worker_item_t *item)
{
    if (w->suspect != item)
        return;
    w->suspect = NULL;
    w->suspect_part = item->part->is_owned ? item->part : NULL;
    w->suspect_number = w->commits_n;
    item->part->must_commit = true;
}

static void withdraw_from(worker_t *w, worker_job_t *job, const item_list_t *list)
{
    for (worker_item_t *item = list->head, *next; job->names_n > 0 && item != NULL; item = next) {
        next = item->next;
        if (item->name == NAME_NONE)
            continue;
        item_drop_name(w, item);
        item_end_suspect(w, item);
        item_unlink(item);
        item_enqueue(w, item, false);
    }
}

void names_withdraw(worker_t *w, worker_job_t *job)
{
    for (uint32_t i = 0; i < job->queue.lanes_n; i++)
        withdraw_from(w, job, &job->queue.lanes[i]->items);
    withdraw_from(w, job, &job->refence);
    for (worker_item_t *item = job->unnamed.head; job->names_n > 0 && item != NULL; item = item->next) {
        item_drop_name(w, item);
        item_end_suspect(w, item);
    }
}

static void wait_for_names(worker_t *w, const item_list_t *list)
{
    for (worker_item_t *item = list->head, *next; item != NULL; item = next) {
        next = item->next;
        if (!must_wait(item))
            continue;
        item_unlink(item);
        item_enqueue(w, item, false);
    }
}

void names_guardian_lost(worker_t *w)
{
    for (uint32_t i = 0; i < w->parts_n; i++) {
        worker_part_t *part = w->parts[i];
        if (part == NULL || !part->is_owned || part->mark >= part->horizon_sent)
            continue;
        part->mark = part->horizon_sent;
        part->must_commit = true;
    }
    for (worker_job_t *job = w->active; job != NULL; job = job->active_next) {
        for (uint32_t i = 0; i < job->queue.lanes_n; i++)
            wait_for_names(w, &job->queue.lanes[i]->items);
        wait_for_names(w, &job->refence);
        job_mark(w, job);
    }
}

static uint64_t names_bound(const worker_t *w, const worker_job_t *job)
{
    if (job->concurrency == 0)
        return COMMIT_NAMES_MAX * 16;
    return 2 * (job->concurrency < w->config.slots_n ? job->concurrency : w->config.slots_n);
}

static bool wants_name(const worker_t *w, const worker_item_t *item)
{
    return item->name == NAME_NONE && needs_name(item) && part_has_room(w, item->part);
}

/* The first suspect that could run. */
static worker_item_t *find_suspect(const worker_t *w)
{
    for (const worker_job_t *job = w->active; job != NULL; job = job->active_next) {
        if (job->unnamed.n == 0 || !job->is_wary || !job_may_start(job) || !limits_room(w, job))
            continue;
        int looks = LOOK_MAX;
        for (worker_item_t *item = job->unnamed.head; item != NULL && looks-- > 0; item = item->next)
            if (is_suspect(item) && wants_name(w, item))
                return item;
    }
    return NULL;
}

static void name_some(worker_t *w, worker_job_t *job)
{
    size_t looks = LOOK_MAX + COMMIT_NAMES_MAX * 4;
    for (worker_item_t *item = job->unnamed.head; item != NULL && looks-- > 0; item = item->next) {
        if (job->names_n >= names_bound(w, job))
            return;
        if (!is_suspect(item) && wants_name(w, item))
            ask_name(w, item);
    }
}

/* Those that waited for nothing but room. */
static void admit(worker_t *w, worker_job_t *job)
{
    uint32_t left = w->config.slots_n;
    size_t looks = LOOK_MAX;
    for (worker_item_t *item = job->unnamed.head, *next; item != NULL && left > 0 && looks-- > 0; item = next) {
        next = item->next;
        if (must_wait(item) || !item_has_room(w, item))
            continue;
        item_unlink(item);
        item_queue(w, item);
        left--;
    }
    job_mark(w, job);
}

void names_turn(worker_t *w)
{
    if (!w->has_unnamed || w->is_doubtful || w->is_draining)
        return;
    w->has_unnamed = false;
    bool is_busy = w->suspect != NULL || w->suspect_part != NULL;
    worker_item_t *suspect = is_busy ? NULL : find_suspect(w);
    if (suspect != NULL && w->names_n == 0 && w->kept_n == 0) {
        ask_name(w, suspect);
        w->suspect = suspect;
    }
    for (worker_job_t *job = w->active; job != NULL; job = job->active_next) {
        job->is_wary &= job->unnamed.n > 0;
        w->has_unnamed |= job->unnamed.n > 0;
        if (!job->is_wary || !job_may_start(job))
            continue;
        if (!is_busy && suspect == NULL)
            name_some(w, job);
        admit(w, job);
    }
}

static bool is_accepted(worker_item_t *item, uint64_t number)
{
    if (item->name == NAME_ASKED && item->name_number > 0 && item->name_number <= number)
        item->name = NAME_HELD;
    return !must_wait(item);
}

void names_accepted(worker_t *w, worker_part_t *part, uint64_t number)
{
    if (w->suspect_part == part && number > w->suspect_number)
        w->suspect_part = NULL;
    for (worker_job_t *job = w->active; job != NULL && w->has_unnamed; job = job->active_next) {
        if (job->unnamed.n == 0)
            continue;
        for (worker_item_t *item = job->unnamed.head, *next; item != NULL; item = next) {
            next = item->next;
            if (item->part != part || !is_accepted(item, number))
                continue;
            item_unlink(item);
            item_queue(w, item);
        }
        job_mark(w, job);
    }
}
