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

enum { LOOK_MAX = 64, NAMED_AHEAD_US = 100000 /* a commit is there and back by then */ };

/* ---- names ---- */

static void ask_name(worker_t *w, worker_item_t *item)
{
    name_set(w, item, NAME_ASKED);
    item->part->must_commit = true;
}

static void withdraw_from(worker_t *w, worker_job_t *job, const item_list_t *list)
{
    for (worker_item_t *item = list->head, *next; job->names_n > 0 && item != NULL; item = next) {
        next = item->next;
        if (item->name == NAME_NONE)
            continue;
        name_drop(w, item);
        suspect_end(w, item);
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
        name_drop(w, item);
        suspect_end(w, item);
    }
}

static void wait_for_names(worker_t *w, const item_list_t *list)
{
    for (worker_item_t *item = list->head, *next; item != NULL; item = next) {
        next = item->next;
        if (!name_must_wait(item))
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
        job->is_wary |= job->unnamed.n > 0; /* it waited for the horizon, and is below the mark now */
        if (job->spec == NULL)              /* what waits for its job starts no sooner, and is filed then */
            continue;
        for (uint32_t i = 0; i < job->queue.lanes_n; i++)
            wait_for_names(w, &job->queue.lanes[i]->items);
        wait_for_names(w, &job->refence);
        job_mark(w, job);
    }
}

/* Of a job with a limit, what can be done until the next commit is accepted: others may get the tokens. */
static uint64_t names_bound(const worker_t *w, const worker_job_t *job)
{
    if (job->concurrency == 0)
        return COMMIT_NAMES_MAX * 16;
    uint64_t places = job->concurrency < w->config.slots_n ? job->concurrency : w->config.slots_n;
    uint64_t each = 2 + (job->run_us > 0 ? NAMED_AHEAD_US / job->run_us : 0);
    return each < COMMIT_NAMES_MAX * 16 / places ? places * each : COMMIT_NAMES_MAX * 16;
}

static bool wants_name(const worker_t *w, const worker_item_t *item)
{
    return item->name == NAME_NONE && name_is_needed(item) && names_have_room(w, item->part);
}

static worker_item_t *suspect_of(const worker_t *w, const worker_job_t *job)
{
    int looks = LOOK_MAX;
    for (worker_item_t *item = job->unnamed.head; item != NULL && looks-- > 0; item = item->next)
        if (name_is_suspect(item) && wants_name(w, item))
            return item;
    return NULL;
}

/* The first suspect that could run. */
static worker_item_t *find_suspect(const worker_t *w)
{
    worker_item_t *found = NULL;
    for (const worker_job_t *job = w->active; job != NULL && found == NULL; job = job->active_next)
        if (job->unnamed.n > 0 && job->is_wary && job_may_start(job) && limits_room(w, job))
            found = suspect_of(w, job);
    return found;
}

/* Not before the suspects of the job, which may only wait for a token: what they are charged with takes the room in which the
 * charge of the next one that kills would be remembered. */
static void name_some(worker_t *w, worker_job_t *job)
{
    if (suspect_of(w, job) != NULL)
        return;
    size_t looks = LOOK_MAX + COMMIT_NAMES_MAX * 4;
    for (worker_item_t *item = job->unnamed.head; item != NULL && looks-- > 0; item = item->next) {
        if (job->names_n >= names_bound(w, job))
            return;
        if (!name_is_suspect(item) && wants_name(w, item))
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
        if (name_must_wait(item) || !name_has_room(w, item))
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
    return !name_must_wait(item);
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
