/* Records that are put off: where one job fills all that a worker may have in hand, its further records are remembered by their
 * offsets alone, so that the records of other jobs behind them are reached.
 *
 * The happy path: intake pauses at its bound (intake.c). A pause that lasts shows that what is in hand will not be started
 * soon. So intake goes on, up to a higher bound, and what comes of a job that has its share in hand already is put off: its
 * bytes are given back, its offset stays unfinished, so that no commit passes it. Once the job has less than half of its share in
 * hand, a reader beside the group brings the first of its records again; a few partitions at a time, in turns. Whatever comes
 * of a job meanwhile is put off behind them, so that its items keep their order.
 *
 * What can fail: the partition goes (what was put off is forgotten, its next owner reads it anyway); the job ends (the offsets are
 * finished); retention takes the records before their turn (they are finished, and whoever looks for missing items finds
 * that they are lost); there are too many runs of such records to remember (the next ones are taken, and intake pauses as before).
 * A record that another worker claims, or that was tried before, is never put off: commits have to speak of it.
 */
#include "worker/core/deferred.h"

#include <stdlib.h>

#include "base/array.h"
#include "base/search.h"
#include "worker/core/state.h"

enum {
    RUNS_MAX = 65536, /* over all partitions */
    READERS_MAX = 2,  /* at a time; each has its own prefetch */
    AGAIN_MS = 1000,  /* behind a reader that failed */
    SKIP_MAX = 4096   /* records that are read over rather than asking anew */
};

/* ---- shares ---- */

static bool has_of_share(const worker_t *w, const worker_job_t *job, size_t parts)
{
    size_t jobs_n = w->active_n > 0 ? w->active_n : 1;
    size_t items = (w->config.items_max / jobs_n + parts - 1) / parts, bytes = w->config.budget_bytes / jobs_n / parts;
    return job->items_n >= (items > 0 ? items : 1) || job->payload_bytes > bytes;
}

/* ---- putting off ---- */

static deferred_run_t *run_for(worker_t *w, deferred_t *of, worker_job_t *job, int64_t offset)
{
    deferred_run_t *last = of->n > 0 ? &of->runs[of->n - 1] : NULL;
    if (last != NULL && last->job == job && last->to == offset)
        return last;
    if (w->deferred_n >= RUNS_MAX)
        return NULL;
    if (!array_has_room(of->runs, of->n, of->cap, 16))
        return NULL; /* as if there were too many */
    w->deferred_n++;
    of->runs[of->n] = (deferred_run_t){offset, offset, job};
    return &of->runs[of->n++];
}

bool deferred_add(worker_t *w, worker_part_t *part, worker_job_t *job, int64_t offset)
{
    if (job->deferred_n == 0 && !(w->is_deferring && has_of_share(w, job, 1)))
        return false;
    if (job->spec == NULL || job->is_halting)
        return false;
    commit_count_t counts = tracker_counts(&part->tracker, offset);
    deferred_run_t *run = counts.attempts + counts.charges == 0 ? run_for(w, &part->deferred, job, offset) : NULL;
    if (run == NULL)
        return false;
    run->to++;
    job->deferred_n++;
    w->must_fetch |= job->is_refilled && !part->deferred.is_read;
    job_activate(w, job);
    return true;
}

/* ---- coming back ---- */

static void ask(worker_t *w, worker_part_t *part, int64_t from)
{
    worker_action_t *action = act(w, WORKER_FETCH);
    if (action == NULL)
        return;
    action->fetch.lane = part->number;
    action->fetch.from = from;
    part->deferred.is_read = from >= 0;
    part->deferred.next = from;
}

static void close_reader(worker_t *w, worker_part_t *part)
{
    if (part->deferred.is_read)
        ask(w, part, -1);
}

static void drop_empty(worker_t *w, deferred_t *of)
{
    size_t n = 0;
    for (size_t i = 0; i < of->n; i++)
        if (of->runs[i].from < of->runs[i].to)
            of->runs[n++] = of->runs[i];
    w->deferred_n -= of->n - n;
    of->n = n;
}

static deferred_run_t *first_wanted(deferred_t *of, size_t at)
{
    for (; at < of->n; at++)
        if (of->runs[at].from < of->runs[at].to && of->runs[at].job->is_refilled)
            return &of->runs[at];
    return NULL;
}

static bool is_near(const deferred_t *of, const deferred_run_t *run)
{
    return of->is_read && of->next <= run->from && run->from - of->next <= SKIP_MAX;
}

static void read_from(worker_t *w, worker_part_t *part, const deferred_run_t *run)
{
    if (!is_near(&part->deferred, run))
        ask(w, part, run->from);
}

/* There are no records from `from` up to `to` any more. What was put off before that is not touched. */
static void finish_missing(worker_t *w, worker_part_t *part, int64_t from, int64_t to)
{
    deferred_t *of = &part->deferred;
    for (size_t i = search_below(of->runs, of->n, sizeof *of->runs, from); i < of->n && of->runs[i].from < to; i++) {
        deferred_run_t *run = &of->runs[i];
        int64_t end = run->to < to ? run->to : to;
        if (run->from >= end)
            continue;
        tracker_finish_range(&part->tracker, run->from, end);
        run->job->deferred_n -= (uint64_t)(end - run->from);
        w->stats.lost += (uint64_t)(end - run->from);
        run->from = end;
        part->is_dirty = true;
    }
}

bool deferred_take(worker_t *w, worker_part_t *part, int64_t offset)
{
    deferred_t *of = &part->deferred;
    if (!of->is_read || offset < of->next)
        return false; /* of a reader of before */
    finish_missing(w, part, of->next, offset);
    of->next = offset + 1;
    size_t at = search_below(of->runs, of->n, sizeof *of->runs, offset + 1);
    deferred_run_t *run = at > 0 ? &of->runs[at - 1] : NULL;
    if (run == NULL || offset >= run->to || !run->job->is_refilled)
        return false;
    run->job->is_refilled = budget_has_room(w);
    if (run->from < offset || !run->job->is_refilled) {
        w->must_fetch = true; /* from its first again */
        return false;
    }
    run->from++;
    run->job->deferred_n--;
    const deferred_run_t *next = first_wanted(of, at - 1);
    w->must_fetch |= next == NULL || !is_near(of, next);
    return true;
}

void deferred_over(worker_t *w, worker_part_t *part, int64_t low)
{
    part->deferred.is_read = false;
    finish_missing(w, part, 0, low);
    w->fetch_again_ms = w->now_ms + AGAIN_MS;
}

/* ---- what ends ---- */

void deferred_finish(worker_t *w, worker_job_t *job)
{
    for (uint32_t i = 0; i < w->parts_n && job->deferred_n > 0; i++) {
        worker_part_t *part = w->parts[i];
        for (size_t k = 0; part != NULL && k < part->deferred.n; k++) {
            deferred_run_t *run = &part->deferred.runs[k];
            if (run->job != job)
                continue;
            tracker_finish_range(&part->tracker, run->from, run->to);
            job->deferred_n -= (uint64_t)(run->to - run->from);
            run->from = run->to;
            run->job = NULL;
            part->is_dirty = true;
        }
    }
    invariant(job->deferred_n == 0);
    w->must_fetch = true;
}

void deferred_forget(worker_t *w, worker_part_t *part)
{
    deferred_t *of = &part->deferred;
    close_reader(w, part);
    for (size_t i = 0; i < of->n; i++)
        if (of->runs[i].from < of->runs[i].to)
            of->runs[i].job->deferred_n -= (uint64_t)(of->runs[i].to - of->runs[i].from);
    w->deferred_n -= of->n;
    free(of->runs);
    *of = (deferred_t){0};
}

/* ---- whose turn it is ---- */

/* A job takes again what has less than half of its share in hand, until it has all of it. */
static bool judge(worker_t *w, worker_job_t *job)
{
    bool wants =
        !w->is_draining && job->deferred_n > 0 && budget_has_room(w) && !has_of_share(w, job, job->is_refilled ? 1 : 2);
    if (wants == job->is_refilled)
        return false;
    job->is_refilled = wants;
    return true;
}

/* Those that read go on, or stop. How many still do. */
static size_t review(worker_t *w)
{
    size_t reads_n = 0;
    for (uint32_t i = 0; i < w->parts_n; i++) {
        worker_part_t *part = w->parts[i];
        if (part == NULL || (part->deferred.n == 0 && !part->deferred.is_read))
            continue;
        drop_empty(w, &part->deferred);
        const deferred_run_t *run = part->deferred.is_read ? first_wanted(&part->deferred, 0) : NULL;
        if (run == NULL)
            close_reader(w, part);
        else
            read_from(w, part, run);
        reads_n += part->deferred.is_read;
    }
    return reads_n;
}

/* A few more begin, the next in line. */
static void begin_some(worker_t *w, size_t reads_n)
{
    for (uint32_t n = w->parts_n; n > 0 && reads_n < READERS_MAX; n--) {
        worker_part_t *part = w->parts[w->fetch_next++ % w->parts_n];
        const deferred_run_t *run = part != NULL ? first_wanted(&part->deferred, 0) : NULL;
        if (run == NULL || part->deferred.is_read)
            continue;
        read_from(w, part, run);
        reads_n++;
    }
}

void deferred_turn(worker_t *w)
{
    bool must = w->must_fetch || (w->fetch_again_ms > 0 && w->now_ms >= w->fetch_again_ms);
    if (w->deferred_n == 0)
        return;
    for (worker_job_t *job = w->active; job != NULL; job = job->active_next)
        if (job->deferred_n > 0 || job->is_refilled)
            must |= judge(w, job);
    if (!must)
        return;
    w->must_fetch = false;
    w->fetch_again_ms = 0;
    begin_some(w, review(w));
}

int64_t deferred_next_ms(const worker_t *w)
{
    return w->deferred_n > 0 && w->fetch_again_ms > 0 ? w->fetch_again_ms : INT64_MAX;
}
