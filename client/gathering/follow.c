/* The happy path: it is known where each lane begins (follow_begin.c) -> it is read from there -> its records go to the follower,
 * its outcomes to the caller.
 *
 * Who takes less than comes is held: no more records are read than the window has bytes for. Without --follow a lane is read to the
 * end that it has when that is reached first.
 *
 * What can fail: records that were not read yet are deleted. Then the lane goes on where its log begins now, and what the follower
 * finds missing is an error, or with --skip-lost a line for the operator. A stream that is cancelled ends here when its log has been
 * read to the end. */
#include <inttypes.h>
#include <stdlib.h>

#include "client/connection/client.h"
#include "client/gathering/follow_state.h"

void follow_fail(follow_t *f, const fanmap_error_t *err)
{
    f->has_failed = true;
    job_fail(f->job, err);
    loop_wake(f->job->f->loop);
}

/* ---- records ---- */

static void hold_readers(follow_t *f)
{
    size_t limit = f->is_held ? f->window_bytes / 2 : f->window_bytes;
    bool is_held = follower_waiting_bytes(f->follower) > limit;
    if (is_held == f->is_held)
        return;
    f->is_held = is_held;
    for (uint32_t i = 0; i < f->lanes_n; i++)
        if (f->lanes[i].reader)
            bus_reader_hold(f->lanes[i].reader, is_held);
}

static void report_losses(follow_t *f)
{
    uint32_t lane;
    gather_loss_t loss;
    fanmap_error_t err;
    bool goes_on = options_switch(f->job->options, OPT_SKIP_LOST);
    if (follower_failed(f->follower))
        follow_fail(f, err_of(FANMAP_ENOMEM, "out of memory for the outcomes of stream %s", f->job->id));
    while (follower_loss(f->follower, &lane, &loss)) {
        err_set(&err, FANMAP_ELOST,
                "the log of stream %s is no longer whole: outcomes of partition %" PRIu32
                " of %s between offsets %" PRId64 " and %" PRId64
                " were deleted before they were read (fanmap stream --keep)%s",
                f->job->id, lane, f->job->spec.from, loss.from, loss.to,
                goes_on ? "" : "; --skip-lost goes on without them");
        if (goes_on)
            client_log(f->job->f, FANMAP_LOG_WARNING, "%s", err.message);
        else
            follow_fail(f, &err);
    }
}

static void set_at_end(follow_source_t *lane, bool is_at_end)
{
    if (lane->is_at_end != is_at_end)
        lane->follow->at_end_n += is_at_end ? 1U : UINT32_MAX;
    lane->is_at_end = is_at_end;
}

static bool on_record(void *arg, const bus_record_t *record)
{
    follow_source_t *lane = arg;
    follow_t *f = lane->follow;
    if (f->has_failed || f->job->is_abandoned)
        return false;
    if (lane->is_at_end && !f->is_following)
        return false;
    set_at_end(lane, false);
    if (!follower_record(f->follower, lane->number, record->offset, record->value, record->value_len, record->owner))
        client_log(f->job->f, FANMAP_LOG_WARNING,
                   "the record at offset %" PRId64 " of %s, partition %" PRIu32 ", is none of ours", record->offset,
                   f->log_name, lane->number);
    report_losses(f);
    hold_readers(f);
    return true;
}

static void on_end(void *arg, int64_t position)
{
    follow_source_t *lane = arg;
    follow_t *f = lane->follow;
    set_at_end(lane, true);
    follower_end(f->follower, lane->number, position);
    report_losses(f);
    loop_wake(f->job->f->loop);
}

static void on_gone(void *arg, int64_t low)
{
    follow_source_t *lane = arg;
    follow_t *f = lane->follow;
    (void)bus_reader_drop(&lane->reader);
    if (low < 0) {
        follow_fail(f,
                    err_of(FANMAP_ELOST, "the log of stream %s is not there any more, or was made anew", f->job->id));
        return;
    }
    follower_gone(f->follower, lane->number, low);
    report_losses(f);
    if (!f->has_failed)
        follow_read_lane(lane, low);
}

void follow_read_lane(follow_source_t *lane, int64_t from)
{
    static const bus_reader_callbacks_t callbacks = {.record = on_record, .at_end = on_end, .gone = on_gone};
    follow_t *f = lane->follow;
    fanmap_error_t err;
    if (bus_read(f->log, (int32_t)lane->number, from, &callbacks, lane, &lane->reader, &err) != FANMAP_OK) {
        follow_fail(f, &err);
        return;
    }
    if (f->is_held)
        bus_reader_hold(lane->reader, true);
}

void follow_free(follow_t *f)
{
    if (!f)
        return;
    end_watch_close(&f->end);
    for (uint32_t i = 0; i < f->lanes_n; i++)
        (void)bus_reader_drop(&f->lanes[i].reader);
    follower_free(f->follower);
    free(f->lanes);
    free(f->from);
    free(f);
}

/* ---- for the caller ---- */

static bool is_cancelled(const follow_t *f)
{
    return f->was_ended || end_watch_has_ended(&f->end);
}

static bool is_over(const follow_t *f)
{
    bool is_read = f->follower && f->at_end_n == f->lanes_n && !follower_has_next(f->follower);
    return is_read && f->is_begun && (!f->is_following || is_cancelled(f));
}

bool follow_has_next(const follow_t *f)
{
    return (f->follower && follower_has_next(f->follower)) || is_over(f);
}

int follow_next(follow_t *f, followed_t *ret)
{
    if (!f->follower || !follower_next(f->follower, ret))
        return is_over(f) ? FANMAP_END : FANMAP_AGAIN;
    report_losses(f);
    hold_readers(f);
    return FANMAP_OK;
}

bool follow_is_cancelled(const follow_t *f)
{
    return is_cancelled(f) && is_over(f);
}
