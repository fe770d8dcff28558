/* Where one who follows a stream begins: the partitions of its log are counted -> the gatherers' group says what they handed out, and
 * Kafka where the log begins -> each lane is read, from its place or from there. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "client/connection/client.h"
#include "client/connection/log_queries.h"
#include "client/gathering/follow_state.h"
#include "client/gathering/gather.h"

enum { LANES_MAX = 10000 };

static void on_release(void *arg, void *owner)
{
    bus_release(arg, owner);
}

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
    follow_read_lane(lane, answer->value);
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
            follow_read_lane(&f->lanes[i], from == FOLLOWER_FROM_BEGIN ? BUS_BEGIN : from);
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
    if (log_query_committed(f->job, f->log, f->group_name, f->lanes_n, on_gathered, &err) != FANMAP_OK)
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
    else if (partitions_n[0] > LANES_MAX)
        follow_fail(f, err_of(FANMAP_EUSAGE, "topic %s has %" PRIu32 " partitions, more than %d", f->log_name,
                              partitions_n[0], LANES_MAX));
    else if (make_lanes(f, partitions_n[0], &err) != FANMAP_OK)
        follow_fail(f, &err);
    else if (!options_text(job->options, OPT_AS))
        follow_begin_lanes(f);
    else if (gather_open_place(job, f->log, f->log_name, f->lanes_n, follow_on_kept, &err) != FANMAP_OK)
        follow_fail(f, &err);
}

static void on_ended(void *arg)
{
    loop_wake(((fanmap_job_t *)arg)->f->loop);
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
    name_of_id(f->log_name, job->f->namespace_name, NAME_STREAM, job->id);
    name_of_id(f->group_name, job->f->namespace_name, NAME_GATHER, job->id);
    const bus_topic_config_t topic = {.name = f->log_name};
    int r = has_end || !f->is_following ? FANMAP_OK
                                        : end_watch_begin(&f->end, job->queue->jobs, job->id, on_ended, job, err);
    if (r == FANMAP_OK)
        r = bus_ensure_topics(job->f->bus, &topic, 1, false, on_counted, job, err);
    job->pins += r == FANMAP_OK; /* until it answers */
    return r;
}
