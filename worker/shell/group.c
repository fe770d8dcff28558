/* The group of the queue's workers: what it says becomes events of the core, what the core asks of it is done here. */
#include <stdlib.h>

#include "worker/shell/state.h"
#include "worker/shell/stream.h"

void shell_lacks_position(const worker_shell_t *shell, int32_t partition, fanmap_error_t *err)
{
    err_set(
        err, FANMAP_ELOST,
        "its group has no position for partition %d of %s: Kafka forgot it (offsets.retention.minutes), or the topic "
        "was made anew; set it with Kafka's tools, or cancel the stream",
        (int)partition, shell->stream->from);
}

/* To begin the source again would run everything again. Partitions that were added to it later begin with none. */
static bool lacks_position(worker_shell_t *shell, int32_t partition)
{
    fanmap_error_t err;
    if (!shell->stream || (uint32_t)partition >= shell->stream->items_partitions)
        return false;
    shell_lacks_position(shell, partition, &err);
    shell_fail(shell, &err);
    return true;
}

static void on_assigned(void *arg, int32_t bus_lane, int64_t offset, bool was_committed, const char *metadata,
                        size_t metadata_len)
{
    worker_shell_t *shell = ((group_link_t *)arg)->shell;
    worker_event_t event = {.type = WORKER_ASSIGNED};
    int32_t lane = shell ? shell_lane(shell, bus_lane) : -1;
    if (lane < 0) {
        if (shell)
            shell_too_many_lanes(shell);
        return;
    }
    if (!was_committed && lacks_position(shell, BUS_LANE_PARTITION(bus_lane)))
        return;
    if (shell->stream)
        shell_stream_grow(shell, (uint32_t)BUS_LANE_PARTITION(bus_lane) + 1);
    event.assigned.lane = lane;
    event.assigned.partition = BUS_LANE_PARTITION(bus_lane);
    event.assigned.task = shell->stream ? shell->stream_task : (uint32_t)BUS_LANE_TOPIC(bus_lane);
    event.assigned.stream = shell->stream ? shell->stream->job : NULL;
    event.assigned.offset = offset;
    event.assigned.was_committed = was_committed;
    event.assigned.metadata = metadata;
    event.assigned.metadata_len = metadata_len;
    event.assigned.member = bus_group_member(shell->group);
    shell_step(shell, &event);
    if (!was_committed && offset > 0 && !shell->stream)
        shell_tell_lost(shell);
}

static void on_rebalanced(void *arg)
{
    worker_shell_t *shell = ((group_link_t *)arg)->shell;
    if (!shell)
        return;
    shell->is_dealt = true;
    shell_step(shell, &(worker_event_t){.type = WORKER_REBALANCED, .member = bus_group_member(shell->group)});
}

static void revoke(worker_shell_t *shell, const int32_t *bus_lanes, size_t n, bool lost)
{
    shell->is_dealt = false;
    if (lost)
        shell_step(shell, &(worker_event_t){.type = WORKER_LOST});
    bool holds = !lost && !shell->is_leaving && n > 0 && bus_group_hold(shell->group);
    shell->closing_failed = false;
    shell->held_n = holds ? n : 0;
    for (size_t i = 0; i < n && !lost; i++)
        shell_step(shell,
                   &(worker_event_t){.type = WORKER_REVOKED, .revoked = {shell_lane(shell, bus_lanes[i]), holds}});
}

static void join_again(void *arg)
{
    worker_shell_t *shell = arg;
    if (!shell->is_draining)
        shell_join(shell);
}

/* That was the group's last callback. */
static void left(worker_shell_t *shell)
{
    bool joins_anew = shell->joins_anew && !shell->is_leaving;
    shell->group = NULL;
    shell->link = NULL;
    shell->joins_anew = false;
    if (joins_anew)
        loop_defer(shell->loop, join_again, shell); /* the old member is not gone before this callback has ended */
    else
        shell_left(shell);
}

static void on_revoked(void *arg, const int32_t *bus_lanes, size_t n, bool lost)
{
    group_link_t *link = arg;
    bool is_last = !link->shell || link->shell->is_leaving || link->is_left;
    if (link->shell)
        revoke(link->shell, bus_lanes, n, lost);
    if (is_last && link->shell)
        left(link->shell);
    if (is_last)
        free(link);
}

static bool on_item(void *arg, const bus_record_t *record)
{
    worker_shell_t *shell = ((group_link_t *)arg)->shell;
    if (!shell)
        return false;
    if (shell->stream) {
        shell_stream_item(shell, shell_lane(shell, record->lane), record);
        return false;
    }
    shell_step_record(shell, WORKER_ITEM, shell_lane(shell, record->lane), record);
    return true;
}

static void on_committed(void *arg, int32_t bus_lane, int64_t offset, uint64_t cookie, bool ok)
{
    worker_shell_t *shell = ((group_link_t *)arg)->shell;
    worker_event_t event = {.type = WORKER_COMMITTED};
    if (!shell)
        return;
    event.committed.lane = shell_lane(shell, bus_lane);
    event.committed.offset = offset;
    event.committed.number = cookie;
    event.committed.ok = ok;
    shell_step(shell, &event);
}

static void on_described(void *arg, uint64_t cookie, const char *const *members, size_t n, bool ok)
{
    worker_shell_t *shell = ((group_link_t *)arg)->shell;
    if (shell)
        shell_step(shell, &(worker_event_t){.type = WORKER_MEMBERS, .members = {cookie, members, n, ok}});
}

static void on_gap(void *arg, int32_t bus_lane, int64_t from, int64_t to)
{
    worker_shell_t *shell = ((group_link_t *)arg)->shell;
    if (shell)
        shell_gap(shell, bus_lane, from, to);
}

void shell_leave(worker_shell_t *shell)
{
    shell->is_leaving = true;
    if (shell->group)
        bus_group_leave(shell->group);
    else
        shell_left(shell);
}

static void leave_to_join(void *arg)
{
    worker_shell_t *shell = arg;
    if (!shell->group || shell->is_leaving)
        return;
    shell->link->is_left = true;
    bus_group_leave(shell->group);
}

void shell_join_anew(worker_shell_t *shell, const worker_action_t *a)
{
    (void)a;
    if (shell->joins_anew || shell->is_leaving || !shell->group)
        return;
    shell_log(shell, FANMAP_LOG_WARNING,
              "the worker lost its place in the group: its attempts are killed, it joins anew");
    shell->joins_anew = true;
    shell->held_n = 0;
    loop_defer(shell->loop, leave_to_join, shell); /* we may be inside a callback of the group */
}

/* ---- what the core asks of the group ---- */

void shell_describe(worker_shell_t *shell, const worker_action_t *a)
{
    shell->describe_number = a->describe.number;
}

void shell_describe_now(worker_shell_t *shell)
{
    if (shell->describe_number > 0 && shell->group && !shell->joins_anew)
        bus_group_describe(shell->group, shell->describe_number);
    shell->describe_number = 0;
}

void shell_let_go(worker_shell_t *shell, const worker_action_t *a)
{
    (void)a;
    if (shell->held_n > 0 && --shell->held_n == 0 && shell->group)
        bus_group_let_go(shell->group);
}

void shell_commit(worker_shell_t *shell, const worker_action_t *a)
{
    if (!shell->group)
        return;
    if (a->commit.is_closing)
        shell->closing_failed |= !bus_group_commit_now(shell->group, shell_bus_lane(shell, a->commit.lane),
                                                       a->commit.offset, a->commit.metadata, a->commit.metadata_len,
                                                       shell->closing_failed ? 0 : CLOSING_COMMIT_MS);
    else
        bus_group_commit(shell->group, shell_bus_lane(shell, a->commit.lane), a->commit.offset, a->commit.metadata,
                         a->commit.metadata_len, a->commit.number);
}

void shell_join(worker_shell_t *shell)
{
    bus_group_callbacks_t callbacks = {.assigned = on_assigned,
                                       .rebalanced = on_rebalanced,
                                       .revoked = on_revoked,
                                       .record = on_item,
                                       .shows_headers = shell->stream != NULL, /* items of jobs have none */
                                       .keeps_none = shell->stream != NULL,    /* stream_record.h */
                                       .committed = on_committed,
                                       .gap = on_gap,
                                       .described = on_described};
    char group[TOPIC_NAME_MAX];
    fanmap_error_t err;
    if (shell->stream)
        name_of_id(group, shell->name_space, NAME_STREAM, shell->stream->job);
    else
        name_of_id(group, shell->name_space, NAME_WORKERS, shell->queue);
    shell->link = calloc(1, sizeof *shell->link);
    if (!shell->link) {
        err_set(&err, FANMAP_ENOMEM, "out of memory");
        shell_fail(shell, &err);
        return;
    }
    shell->link->shell = shell;
    size_t topics_n = shell->stream ? 1 : shell->config.catalogue->n;
    if (bus_group_join(shell->items, topics_n, group, &callbacks, shell->link, &shell->group, &err) != FANMAP_OK) {
        free(shell->link);
        shell->link = NULL;
        shell_fail(shell, &err);
        return;
    }
    worker_stats_t stats;
    worker_stats(shell->core, &stats);
    shell->core_wants = shell->group_wants = stats.wants_intake;
    bus_group_want(shell->group, stats.wants_intake);
    if (shell->callbacks.ready && !shell->was_ready)
        shell->callbacks.ready(shell->arg);
    shell->was_ready = true;
}

bool worker_shell_is_dealt(const worker_shell_t *shell)
{
    return shell->is_dealt;
}

void shell_group_close(worker_shell_t *shell)
{
    loop_defer_cancel(shell->loop, join_again, shell);
    loop_defer_cancel(shell->loop, leave_to_join, shell);
}
