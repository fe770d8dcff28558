/* The happy path: the partitions of the log are counted -> the gatherers' group says what they handed out, and Kafka where the log
 * begins -> each lane is read, from its place or from there -> its records go to the follower, its outcomes to the caller.
 *
 * Who takes less than comes is held: no more records are read than the window has bytes for. Without --follow a lane is read to the
 * end that it has when that is reached first.
 *
 * What can fail: records that were not read yet are deleted. Then the lane goes on where its log begins now, and what the follower
 * finds missing is an error, or with --skip-lost a line for the operator. A stream that is cancelled ends here when its log has been
 * read to the end. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "client/connection/client.h"
#include "client/connection/log_queries.h"
#include "client/gathering/follow_state.h"
#include "client/gathering/gather.h"

enum { LANES_MAX = 10000, COMMITTED_TRIES = 5 };

void follow_fail(follow_t *f, const fanmap_error_t *err)
{
    f->has_failed = true;
    job_fail(f->job, err);
    loop_wake(f->job->f->loop);
}

static void fail_memory(follow_t *f)
{
    fanmap_error_t err;
    err_set(&err, FANMAP_ENOMEM, "out of memory for the outcomes of stream %s", f->job->id);
    follow_fail(f, &err);
}

/* ---- records ---- */

static void hold(follow_t *f)
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

static void check(follow_t *f)
{
    uint32_t lane;
    gather_loss_t loss;
    fanmap_error_t err;
    bool goes_on = options_switch(f->job->options, OPT_SKIP_LOST);
    if (follower_failed(f->follower))
        fail_memory(f);
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

static void on_release(void *arg, void *owner)
{
    bus_release(arg, owner);
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
    check(f);
    hold(f);
    return true;
}

static void on_end(void *arg, int64_t position)
{
    (void)position;
    set_at_end(arg, true);
}

static void read_lane(follow_source_t *lane, int64_t from);

static void on_gone(void *arg, int64_t low)
{
    follow_source_t *lane = arg;
    follow_t *f = lane->follow;
    fanmap_error_t err;
    (void)bus_reader_drop(&lane->reader);
    if (low < 0) {
        err_set(&err, FANMAP_ELOST, "the log of stream %s is not there any more, or was made anew", f->job->id);
        follow_fail(f, &err);
        return;
    }
    follower_gone(f->follower, lane->number, low);
    check(f);
    if (!f->has_failed)
        read_lane(lane, low);
}

static void read_lane(follow_source_t *lane, int64_t from)
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

/* ---- its end ---- */

static bool on_jobs_record(void *arg, const bus_record_t *record)
{
    follow_t *f = arg;
    char key[JOB_ID_MAX + 17];
    (void)jobs_key(key, sizeof key, f->job->id, JOBS_END);
    if (text_is(record->key, record->key_len, key))
        f->has_end = record->value_len > 0;
    return false;
}

static void on_jobs_end(void *arg, int64_t position)
{
    (void)position;
    ((follow_t *)arg)->has_read_jobs = true;
}

static int watch_end(follow_t *f, fanmap_error_t *err)
{
    static const bus_reader_callbacks_t callbacks = {.record = on_jobs_record, .at_end = on_jobs_end, .shares = true};
    return f->was_ended || !f->is_following ? FANMAP_OK
                                            : bus_read(f->job->queue->jobs, 0, BUS_BEGIN, &callbacks, f, &f->jobs, err);
}

/* ---- where it begins ---- */

static void on_low(fanmap_job_t *job, int32_t tag, const bus_answer_t *answer);

static void find_low(follow_source_t *lane)
{
    follow_t *f = lane->follow;
    fanmap_error_t err;
    const bus_request_t request = {.kind = BUS_FIND_BEGIN, .partition = (int32_t)lane->number};
    if (log_query(f->job, f->log, &request, on_low, (int32_t)lane->number, &err) != FANMAP_OK)
        follow_fail(f, &err);
}

static void on_low(fanmap_job_t *job, int32_t tag, const bus_answer_t *answer)
{
    follow_t *f = gather_follow(job);
    follow_source_t *lane = &f->lanes[tag];
    if (f->has_failed || job->is_abandoned)
        return;
    if (answer->value < 0) {
        find_low(lane);
        return;
    }
    follower_begin(f->follower, lane->number, answer->value, lane->handed_out);
    read_lane(lane, answer->value);
}

static void begin_lanes(follow_t *f)
{
    fanmap_error_t err;
    if (f->from && follow_read_places(f, &err) != FANMAP_OK) {
        follow_fail(f, &err);
        return;
    }
    f->is_begun = true;
    for (uint32_t i = 0; i < f->lanes_n && !f->has_failed; i++) {
        int64_t from = f->lanes[i].is_asked ? follower_from(f->follower, i) : -1;
        if (f->lanes[i].is_asked)
            read_lane(&f->lanes[i], from == FOLLOWER_FROM_BEGIN ? BUS_BEGIN : from);
        else
            find_low(&f->lanes[i]);
    }
}

/* Up to where outcomes may have been deleted. */
static void on_gathered(fanmap_job_t *job, int32_t tag, const bus_answer_t *answer)
{
    follow_t *f = gather_follow(job);
    (void)tag;
    if (f->has_failed || job->is_abandoned)
        return;
    if (answer->err && answer->err->retry_may_help && ++f->tries < COMMITTED_TRIES) {
        follow_begin_lanes(f);
        return;
    }
    if (answer->err) {
        follow_fail(f, answer->err);
        return;
    }
    for (uint32_t i = 0; i < f->lanes_n; i++) {
        gather_lane_t lane = {.order = job->spec.stream};
        const char *text = answer->metadata ? answer->metadata[i] : NULL;
        bool is_known = text && gather_lane_load(&lane, answer->offsets[i], text);
        f->lanes[i].handed_out = !is_known ? -1 : lane.highest > lane.last ? lane.highest : lane.last;
    }
    begin_lanes(f);
}

void follow_begin_lanes(follow_t *f)
{
    fanmap_error_t err;
    const bus_request_t request = {.kind = BUS_FIND_COMMITTED, .group = f->group_name, .n = f->lanes_n};
    if (log_query(f->job, f->log, &request, on_gathered, 0, &err) != FANMAP_OK)
        follow_fail(f, &err);
}

static int make_lanes(follow_t *f, uint32_t n, fanmap_error_t *err)
{
    f->lanes = calloc(n + 1U, sizeof *f->lanes);
    f->follower = follower_new(follow_order(f->job), n, on_release, f->job->f->bus);
    if (!f->lanes || !f->follower)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    f->lanes_n = n;
    for (uint32_t i = 0; i < n; i++)
        f->lanes[i] = (follow_source_t){.follow = f, .number = i};
    return bus_topic_open(f->job->f->bus, f->log_name, NULL, NULL, &f->log, err);
}

static void on_counted(void *arg, const uint32_t *partitions_n, const fanmap_error_t *why)
{
    fanmap_job_t *job = arg;
    follow_t *f = gather_follow(job);
    fanmap_error_t err;
    job->pins--;
    job->f->has_closed |= job->is_abandoned;
    if (job->is_abandoned)
        return;
    if (why)
        follow_fail(f, why);
    else if (partitions_n[0] > LANES_MAX) {
        err_set(&err, FANMAP_EUSAGE, "topic %s has %" PRIu32 " partitions, more than %d", f->log_name, partitions_n[0],
                LANES_MAX);
        follow_fail(f, &err);
    } else if (make_lanes(f, partitions_n[0], &err) != FANMAP_OK)
        follow_fail(f, &err);
    else if (!options_text(job->options, OPT_AS))
        follow_begin_lanes(f);
    else if (gather_open_place(job, f->log, f->log_name, f->lanes_n, follow_on_kept, &err) != FANMAP_OK)
        follow_fail(f, &err);
}

int follow_begin(fanmap_job_t *job, const char *from, bool has_end, follow_t **ret, fanmap_error_t *err)
{
    follow_t *f = calloc(1, sizeof *f);
    char *copy = from ? strdup(from) : NULL;
    if (!f || (from && !copy)) {
        free(f);
        free(copy);
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    }
    *f = (follow_t){.job = job,
                    .from = copy,
                    .was_ended = has_end,
                    .is_following = options_switch(job->options, OPT_FOLLOW),
                    .window_bytes = options_bytes(job->options, OPT_WINDOW)};
    *ret = f;
    name_stream(f->log_name, job->f->namespace_name, job->id);
    name_gather(f->group_name, job->f->namespace_name, job->id);
    const bus_topic_config_t topic = {.name = f->log_name};
    int r = watch_end(f, err);
    if (r == FANMAP_OK)
        r = bus_ensure_topics(job->f->bus, &topic, 1, false, on_counted, job, err);
    job->pins += r == FANMAP_OK; /* until it answers */
    return r;
}

void follow_free(follow_t *f)
{
    if (!f)
        return;
    (void)bus_reader_drop(&f->jobs);
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
    return f->was_ended || (f->has_end && f->has_read_jobs);
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
    check(f);
    hold(f);
    return FANMAP_OK;
}

bool follow_is_cancelled(const follow_t *f)
{
    return is_cancelled(f) && is_over(f);
}
