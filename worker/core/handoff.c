/* Hand-off. Kafka deals out partitions, not items: one worker can sit on a backlog while another idles.
 *
 * The happy path: a worker with free slots and nothing to start asks (WORKER_BEG; Redis passes it on to whoever says that
 * most waits there). The one that is asked picks items that would start last here: as many as let both finish together,
 * judged by how long attempts of the job take, and no more than the other can do in about a second. Each is copied to a
 * partition that the asking worker holds, with how often it went from hand to hand and the attempts used, and is finished
 * here when the copy is stored. While the copy is under way the item counts as one whose outcome is under way: a closing
 * commit claims it, so that nobody else starts it.
 *
 * What can fail. Who gives dies after the copy is stored and before that is committed: both records run, and the list takes
 * one outcome, as always. The partition changes hands meanwhile: the copy is its new owner's. The copy cannot be stored:
 * the item goes back to its queue. Nobody answers: the next question is asked later and later, up to BEG_MOST_MS. An item
 * that was tried under a name, or is charged, stays: commits here say so. An item goes from hand to hand HOPS_MAX times.
 *
 * Kafka is away, and Redis is not: who is not heard by the group for a session loses its place, and every item that it
 * had copied since would have two records. So nothing is given while copies, or a commit, wait for an answer that is late.
 */
#include "worker/core/handoff.h"

#include "worker/core/state.h"

enum {
    HUNGRY_AFTER_MS = 10, /* free and with nothing to start for so long */
    BEG_FIRST_MS = 50,
    BEG_MOST_MS = 1000,
    HOPS_MAX = 3,
    HANDED_MAX = 256, /* items, for one question */
    LOOKS_MAX = 8,
    COPY_MS = 100,     /* copies and commits take some milliseconds; */
    COMMIT_MS = 1500,  /* a commit that was refused is sent anew within a second */
    WORTH_US = 20000,  /* what would have started here by then stays */
    AHEAD_US = 1000000 /* what the other can do in this time is enough */
};

/* ---- giving ---- */

static bool may_go(const worker_item_t *item)
{
    return item_is_ours(item) && item->part->source == NULL && !item->part->is_revoking && !item->is_claimed &&
           item->name == NAME_NONE && item->charges == 0 && item->hops < HOPS_MAX;
}

/* How long an attempt of the job takes: what is known of those that ended, and of the one that has run for longest. */
static uint64_t attempt_us(const worker_t *w, const worker_job_t *job)
{
    uint64_t most = job->run_us;
    for (uint32_t i = 0; i < w->config.slots_n; i++) {
        const worker_slot_t *slot = &w->slots[i];
        if (slot->job != job || slot->runs.n == 0)
            continue;
        uint64_t us = (uint64_t)(w->now_ms - slot->head_since_ms) * 1000;
        most = us > most ? us : most;
    }
    return most > 0 ? most : 1;
}

/* When the last of its items that wait would start here. */
static uint64_t wait_us(const worker_t *w, const worker_job_t *job)
{
    uint64_t running = job->running > 0 ? job->running : 1;
    return job->queue.n * attempt_us(w, job) / running;
}

static const worker_seat_t *seat_of(const worker_t *w, const worker_event_t *e, const worker_job_t *job)
{
    for (size_t i = 0; i < e->hungry.seats_n; i++)
        if (e->hungry.seats[i].task < w->config.tasks_n &&
            strcmp(w->tasks[e->hungry.seats[i].task], job->spec->task) == 0)
            return &e->hungry.seats[i];
    return NULL;
}

static worker_job_t *most_waiting(const worker_t *w, const worker_event_t *e)
{
    worker_job_t *most = NULL;
    uint64_t most_us = WORTH_US - 1;
    for (worker_job_t *job = w->active; job != NULL; job = job->active_next) {
        if (!job_may_start(job) || job->spec->stream != STREAM_NOT || job->queue.n == 0 || wait_us(w, job) <= most_us ||
            seat_of(w, e, job) == NULL)
            continue;
        most = job;
        most_us = wait_us(w, job);
    }
    return most;
}

/* Both are to finish together; and what is short enough to be fetched again in time is not given at once. */
static size_t count_to_give(const worker_t *w, const worker_job_t *job, uint32_t free_n)
{
    uint64_t running = job->running > 0 ? job->running : 1;
    uint64_t fair = (job->queue.n * free_n + running + free_n - 1) / (running + free_n);
    uint64_t enough = free_n * (AHEAD_US / attempt_us(w, job) + 1);
    uint64_t n = fair < enough ? fair : enough;
    return n < HANDED_MAX ? (size_t)n : HANDED_MAX;
}

/* The last one that may go; a few that may not are passed over. */
static worker_item_t *last_of_lane(const lane_t *lane)
{
    worker_item_t *item = lane->items.tail;
    for (int looks = LOOKS_MAX; item != NULL && !may_go(item); item = item->prev)
        if (--looks == 0)
            return NULL;
    return item;
}

/* The one with the highest index that may go; NULL: none. */
static worker_item_t *last_item(const worker_job_t *job)
{
    worker_item_t *last = NULL;
    for (uint32_t i = 0; i < job->queue.lanes_n; i++) {
        worker_item_t *item = last_of_lane(job->queue.lanes[i]);
        if (item != NULL && (last == NULL || item->index > last->index))
            last = item;
    }
    return last;
}

/* Our place, and with it what the group holds for ours, may go to others before it hears of what we give away. */
static bool is_unheard(const worker_t *w)
{
    if (w->copies_n > 0 && w->now_ms - w->copies_since_ms >= COPY_MS)
        return true;
    for (uint32_t i = 0; i < w->parts_n; i++) {
        const worker_part_t *part = w->parts[i];
        if (part != NULL && part->is_owned && part->unaccepted_ms > 0 && w->now_ms - part->unaccepted_ms >= COMMIT_MS)
            return true;
    }
    return false;
}

static bool hand_off(worker_t *w, worker_item_t *item, const worker_seat_t *seat)
{
    worker_action_t *action = act(w, WORKER_HAND_OFF);
    if (action == NULL)
        return false;
    action->hand_off.item = item;
    action->hand_off.lane = item->part->number;
    action->hand_off.partition = seat->partition;
    action->hand_off.job = item->job->id;
    action->hand_off.index = item->index;
    action->hand_off.in = item->in;
    action->hand_off.in_len = item->in_len;
    action->hand_off.hops = item->hops + 1u;
    action->hand_off.attempts = item->attempts;
    item_unlink(item);
    item->is_handed = true;
    item_set_state(item, STATE_PUBLISHING);
    w->stats.publishing++;
    if (w->copies_n++ == 0)
        w->copies_since_ms = w->now_ms;
    return true;
}

void handoff_asked(worker_t *w, const worker_event_t *e)
{
    worker_item_t *item;
    worker_job_t *job;
    if (w->is_draining || w->is_doubtful || e->hungry.free_n == 0 || is_unheard(w) ||
        (job = most_waiting(w, e)) == NULL)
        return;
    const worker_seat_t *seat = seat_of(w, e, job);
    size_t n = count_to_give(w, job, e->hungry.free_n);
    while (n-- > 0 && w->stats.publishing < w->config.publishing_max && (item = last_item(job)) != NULL)
        if (!hand_off(w, item, seat))
            break;
    job_mark(w, job);
}

void handoff_arrived(worker_t *w)
{
    w->stats.handed++;
    w->copies_n--;
    w->copies_since_ms = w->now_ms;
}

void handoff_failed(worker_t *w, worker_item_t *const *items, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        worker_item_t *item = items[i];
        item_set_state(item, STATE_QUEUED);
        item->is_handed = false;
        w->copies_n--;
        w->stats.publishing--;
        job_mark(w, item->job);
        item_requeue(w, item);
    }
}

/* ---- asking ---- */

static bool has_food(const worker_t *w)
{
    for (const worker_job_t *job = w->active; job != NULL; job = job->active_next)
        if (job_may_start(job) && job->queue.n + job->refence.n + job->unnamed.n > 0)
            return true;
    return false;
}

static bool is_hungry(const worker_t *w)
{
    return w->config.has_handoff && w->idle_n > 0 && w->intake_on && !w->is_draining && !w->is_doubtful && !has_food(w);
}

void handoff_turn(worker_t *w)
{
    if (w->idle_n == 0 || w->beg_wait_ms == 0)
        w->beg_wait_ms = BEG_FIRST_MS; /* there was work for every slot: it may be worth to ask soon */
    if (!is_hungry(w)) {
        w->beg_at_ms = 0;
        return;
    }
    if (w->beg_at_ms == 0)
        w->beg_at_ms = w->now_ms + (w->beg_wait_ms == BEG_FIRST_MS ? HUNGRY_AFTER_MS : w->beg_wait_ms);
    if (w->now_ms < w->beg_at_ms)
        return;
    worker_action_t *action = act(w, WORKER_BEG);
    if (action == NULL)
        return;
    action->beg.free_n = w->idle_n;
    w->beg_at_ms = w->now_ms + w->beg_wait_ms;
    w->beg_wait_ms = w->beg_wait_ms * 2 < BEG_MOST_MS ? w->beg_wait_ms * 2 : BEG_MOST_MS;
}

int64_t handoff_next_ms(const worker_t *w)
{
    return w->beg_at_ms > 0 ? w->beg_at_ms : INT64_MAX;
}

uint64_t worker_backlog_ms(const worker_t *w, uint32_t task)
{
    uint64_t most_us = 0;
    for (const worker_job_t *job = w->active; job != NULL; job = job->active_next) {
        if (!job_may_start(job) || job->spec->stream != STREAM_NOT || job->queue.n == 0 ||
            strcmp(job->spec->task, w->tasks[task]) != 0)
            continue;
        uint64_t us = wait_us(w, job);
        most_us = us > most_us ? us : most_us;
    }
    return most_us >= WORTH_US ? most_us / 1000 : 0;
}

static void take_seat(const worker_t *w, const worker_part_t *part, worker_seat_t *ret, size_t *n, size_t max)
{
    size_t i = 0;
    if (part == NULL || part->source != NULL || !part->is_owned || part->is_revoking || part->task >= w->config.tasks_n)
        return;
    while (i < *n && ret[i].task != part->task)
        i++;
    if (i == *n && *n < max)
        ret[(*n)++] = (worker_seat_t){part->task, part->partition};
}

size_t worker_seats(worker_t *w, worker_seat_t *ret, size_t max)
{
    size_t n = 0;
    uint32_t from = w->parts_n > 0 ? (uint32_t)random_below(&w->random, w->parts_n) : 0;
    for (uint32_t i = 0; i < w->parts_n; i++)
        take_seat(w, w->parts[(from + i) % w->parts_n], ret, &n, max);
    return n;
}
