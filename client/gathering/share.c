/* The happy path: the reader joins the group NS.share.JOB.NAME, among whose members Kafka deals out the partitions of
 * the task's items topic -> each comes with what is kept of it, and is a part of the list -> the log is read from its
 * start, and what is of these parts is handed out -> the caller says that all of it is safe (fanmap_store_position) ->
 * that is committed -> the list is at its end here -> the places of all parts are asked for until the last one is
 * behind it.
 *
 * Of the topic itself nothing is read: the group is about who has which part, and what was committed last.
 *
 * What can fail: somebody comes or goes. Then nothing more is handed out, and the parts are let go once the caller has
 * said that what it has is safe, and that is committed; so whoever gets a part next begins behind it. A caller that
 * does not say so for as long as Kafka waits (max.poll.interval.ms), and one whose session is over, is dead to the
 * group: its parts are others' already, and what it had not stored comes again there. A commit that fails is tried
 * again, and at last given up: then it is the same. */
#include "client/gathering/share.h"

#include <inttypes.h>
#include <stdlib.h>

#include "aggregator/shares.h"
#include "client/connection/client.h"
#include "client/connection/log_queries.h"
#include "client/gathering/gather_state.h"

enum { AGAIN_MS = 500, CLOSING_TRIES = 60 };

/* What the group's callbacks are given; it lives until their last one. */
typedef struct {
    share_t *share; /* NULL: it is closed */
} share_link_t;

struct share {
    fanmap_job_t *job;
    share_link_t *link;
    char name[TOPIC_NAME_MAX]; /* of the group */
    bus_group_t *group;
    shares_t shares;
    loop_timer_t *timer;
    uint64_t n; /* of the list, once is_at_end */
    bool is_dealt, is_new, is_revoked;
    bool is_at_end, is_asking, is_over;
    bool is_behind; /* something was handed out since the caller last said that all is safe */
    bool is_dirty;  /* the commits do not say how far it is */
    bool has_failed, is_waiting;
    unsigned tries;
    uint64_t mark, storing_mark, round; /* of the commits that are under way */
    uint32_t answers_left;
};

int share_check(const fanmap_job_t *job, fanmap_error_t *err)
{
    const fanmap_options_t *o = job->options;
    if (!options_text(o, OPT_SHARE))
        return FANMAP_OK;
    if (options_switch(o, OPT_UNORDERED))
        return err_set(err, FANMAP_EUSAGE, "readers that share a list read in its order: no --unordered");
    if (options_text(o, OPT_TO) || options_text(o, OPT_ERRORS_TO))
        return err_set(err, FANMAP_EUSAGE, "readers that share a list hand it out: no --to or --errors-to");
    if (options_text(o, OPT_AS) || options_text(o, OPT_FROM))
        return err_set(err, FANMAP_EUSAGE,
                       "readers that share a list have their places in Kafka, under its name: no "
                       "--as, --from or --position-file");
    return FANMAP_OK;
}

/* ---- what is kept ---- */

static void continue_storing(share_t *share);

static void wait_to_continue(share_t *share)
{
    share->is_waiting = true;
    loop_timer_at(share->timer, loop_now_ms(share->job->f->loop) + AGAIN_MS);
}

static void on_timer(void *arg)
{
    share_t *share = arg;
    share->is_waiting = false;
    continue_storing(share);
}

static void on_all_places(fanmap_job_t *job, int32_t tag, const bus_answer_t *answer)
{
    share_t *share = job->gathering->share;
    (void)tag;
    share->is_asking = false;
    if (!share->is_at_end || share->is_revoked)
        return;
    bool are_done = !answer->err && answer->metadata && answer->n >= share->shares.parts_n;
    for (uint32_t i = 0; are_done && i < share->shares.parts_n; i++)
        are_done = shares_is_done(&share->shares, answer->metadata[i], share->n);
    share->is_over |= are_done;
    if (are_done)
        loop_wake(job->f->loop);
    else
        wait_to_continue(share);
}

/* Whether the others are at the end too. */
static void query_all_places(share_t *share)
{
    fanmap_error_t err;
    const bus_request_t request = {.kind = BUS_FIND_COMMITTED, .group = share->name, .n = share->shares.parts_n};
    if (share->is_asking || share->is_over)
        return;
    share->is_asking = log_query(share->job, share->job->queue->items, &request, on_all_places, 0, &err) == FANMAP_OK;
    if (!share->is_asking)
        job_fail(share->job, &err);
}

/* The caller has said that all of it is safe. */
static void commit_parts(share_t *share)
{
    char text[SHARE_TEXT_MAX];
    share->round++;
    share->has_failed = share->is_dirty = false;
    for (uint32_t i = 0; i < share->shares.parts_n; i++) {
        if (!shares_owns(&share->shares, i))
            continue;
        share->answers_left++;
        bus_group_commit(share->group, (int32_t)i, 0, text, shares_text(&share->shares, i, text), share->round);
    }
    if (share->answers_left == 0)
        share->mark = share->storing_mark;
}

static void forget_parts(share_t *share)
{
    shares_claim_all(&share->shares);
    share->is_dealt = share->is_new = share->is_revoked = share->is_at_end = share->is_behind = share->is_dirty = false;
    share->answers_left = 0;
}

static void release_parts(share_t *share)
{
    if (share->is_dirty)
        client_log(share->job->f, FANMAP_LOG_WARNING,
                   "Kafka has not stored how far this reader of job %s is: what it had last comes again, elsewhere",
                   share->job->id);
    forget_parts(share);
    bus_group_let_go(share->group);
}

/* The next step of what is to be stored without being asked. */
static void continue_storing(share_t *share)
{
    if (share->is_waiting || share->is_behind || !(share->is_revoked || share->is_at_end))
        return;
    if (share->answers_left == 0 && share->is_dirty && !(share->is_revoked && share->tries > CLOSING_TRIES))
        commit_parts(share);
    if (share->answers_left > 0)
        return;
    if (share->is_revoked)
        release_parts(share);
    else
        query_all_places(share);
}

static void on_committed(void *arg, int32_t lane, int64_t offset, uint64_t cookie, bool ok)
{
    share_t *share = ((share_link_t *)arg)->share;
    (void)lane, (void)offset;
    if (!share || cookie != share->round || share->answers_left == 0)
        return;
    share->has_failed |= !ok;
    if (--share->answers_left > 0)
        return;
    if (share->has_failed) {
        share->is_dirty = true;
        share->tries++;
        wait_to_continue(share);
        return;
    }
    share->tries = 0;
    share->mark = share->storing_mark;
    loop_wake(share->job->f->loop);
    continue_storing(share);
}

bool share_is_busy(const share_t *share)
{
    return share->answers_left > 0 || share->is_waiting;
}

void share_store(share_t *share, uint64_t mark)
{
    share->is_behind = false;
    share->storing_mark = mark;
    commit_parts(share);
    continue_storing(share);
}

uint64_t share_mark(const share_t *share)
{
    return share->mark;
}

/* ---- who has what ---- */

static void on_assigned(void *arg, int32_t lane, int64_t offset, bool was_committed, const char *metadata,
                        size_t metadata_len)
{
    share_t *share = ((share_link_t *)arg)->share;
    (void)offset, (void)was_committed;
    if (!share || shares_give(&share->shares, (uint32_t)lane, metadata, metadata_len))
        return;
    job_fail(share->job, err_of(FANMAP_EUSAGE,
                                "what is kept under the name %s is of an earlier job %s: take another name, or delete "
                                "the group %s with Kafka's tools",
                                options_text(share->job->options, OPT_SHARE), share->job->id, share->name));
    loop_wake(share->job->f->loop);
}

static void on_rebalanced(void *arg)
{
    share_t *share = ((share_link_t *)arg)->share;
    if (share)
        share->is_dealt = share->is_new = true;
}

static void on_revoked(void *arg, const int32_t *lanes, size_t n, bool lost)
{
    share_t *share = ((share_link_t *)arg)->share;
    (void)lanes, (void)n;
    if (!share) { /* the group's last word */
        free(arg);
        return;
    }
    if (lost || !bus_group_hold(share->group)) {
        if (share->is_behind || share->is_dirty)
            client_log(
                share->job->f, FANMAP_LOG_WARNING,
                "this reader of job %s was taken for dead: what it had since it last stored comes again, elsewhere",
                share->job->id);
        forget_parts(share);
        return;
    }
    share->is_revoked = true;
    share->tries = 0;
    if (share->is_behind)
        loop_wake(share->job->f->loop);
    continue_storing(share);
}

int share_open(fanmap_job_t *job, share_t **ret, fanmap_error_t *err)
{
    static const bus_group_callbacks_t callbacks = {
        .assigned = on_assigned, .rebalanced = on_rebalanced, .revoked = on_revoked, .committed = on_committed};
    const char *name = options_text(job->options, OPT_SHARE);
    if (job->queue->items_n < job->spec.items_partitions)
        return err_set(err, FANMAP_ELOST,
                       "the items topic of job %s has %" PRIu32 " partitions, and had %" PRIu32
                       " when it was submitted: its list cannot be shared",
                       job->id, job->queue->items_n, job->spec.items_partitions);
    share_t *share = calloc(1, sizeof *share);
    share_link_t *link = calloc(1, sizeof *link);
    if (!share || !link || !shares_begin(&share->shares, &job->spec)) {
        free(share);
        free(link);
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    }
    share->job = job;
    link->share = share;
    (void)name_of_reader(share->name, job->f->namespace_name, NAME_SHARE, job->id, name);
    *ret = share;
    int r = loop_timer_new(job->f->loop, on_timer, share, &share->timer, err);
    if (r == FANMAP_OK)
        r = bus_group_join(&job->queue->items, 1, share->name, &callbacks, link, &share->group, err);
    if (r == FANMAP_OK)
        share->link = link;
    else
        free(link);
    return r;
}

void share_close(share_t *share)
{
    if (!share)
        return;
    if (share->link) {
        share->link->share = NULL;
        bus_group_leave(share->group);
    }
    loop_timer_free(share->timer);
    shares_free(&share->shares);
    free(share);
}

/* ---- the list ---- */

bool share_is_new(const share_t *share)
{
    return share->is_new && !share->is_revoked && !share->is_over;
}

uint64_t share_start(share_t *share)
{
    share->is_new = share->is_at_end = false;
    return shares_start(&share->shares);
}

bool share_hands_out(const share_t *share)
{
    return share->is_dealt && !share->is_new && !share->is_revoked && !share->is_at_end;
}

bool share_has(const share_t *share, uint64_t index)
{
    return shares_have(&share->shares, index);
}

void share_handed_out(share_t *share, uint64_t index)
{
    shares_reach(&share->shares, index + 1);
    share->is_behind = share->is_dirty = true;
}

void share_ended(share_t *share, uint64_t n)
{
    shares_reach(&share->shares, n);
    share->n = n;
    share->is_at_end = share->is_dirty = true;
    if (share->is_behind)
        loop_wake(share->job->f->loop);
    continue_storing(share);
}

bool share_is_over(const share_t *share)
{
    return share->is_over;
}
