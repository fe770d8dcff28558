/* Items that are left to others: this worker does not serve their job. Only their offsets are remembered, which hold the prefix back,
 * so that another owner of the partition reads them again. */
#include "worker/core/state.h"

#include <stdlib.h>

#include "base/array.h"

static void forget_stale(worker_job_t *job)
{
    size_t n = 0;
    for (size_t i = 0; i < job->left_n; i++)
        if (job->left[i].part->is_owned && job->left[i].ownership == job->left[i].part->ownership)
            job->left[n++] = job->left[i];
    job->left_n = n;
}

static bool extend(worker_job_t *job, const worker_part_t *part, int64_t offset)
{
    for (size_t i = job->left_n, looks = 8; i-- > 0 && looks-- > 0;) {
        left_range_t *range = &job->left[i];
        if (range->part == part && range->ownership == part->ownership && range->to == offset) {
            range->to++;
            return true;
        }
    }
    return false;
}

void job_leave(worker_t *w, worker_job_t *job, worker_part_t *part, int64_t offset)
{
    if (!job->was_noted)
        note(w, FANMAP_LOG_WARNING, "job %s waits: it has a limit, and this worker has no Redis", job->id);
    job->was_noted = true;
    if (extend(job, part, offset))
        return;
    if (job->left_n == job->left_cap)
        forget_stale(job);
    if (array_has_room(job->left, job->left_n, job->left_cap, 16))
        job->left[job->left_n++] = (left_range_t){part, part->ownership, offset, offset + 1};
    else
        w->failed = true;
}

void job_finish_left(worker_job_t *job)
{
    forget_stale(job);
    for (size_t i = 0; i < job->left_n; i++) {
        left_range_t *range = &job->left[i];
        tracker_finish_range(&range->part->tracker, range->from, range->to);
        range->part->is_dirty = true;
    }
    job->left_n = 0;
}
