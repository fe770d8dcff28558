#include <stdlib.h>
#include <string.h>

#include "io/bus_admin.h"
#include "schemas/names.h"
#include "worker/shell/inflight.h"

/* ---- the jobs topic ---- */

static void answer_queries(worker_shell_t *shell)
{
    while (shell->queries_n > 0 && shell->queries[0] <= shell->jobs_position) {
        shell->queries_n--;
        memmove(shell->queries, shell->queries + 1, shell->queries_n * sizeof shell->queries[0]);
        shell_step(shell, &(worker_event_t){.type = WORKER_JOBS_POSITION, .position = {shell->jobs_position, true}});
    }
}

static void on_jobs_end(void *arg, const bus_answer_t *answer)
{
    worker_shell_t *shell = arg;
    size_t i = 0;
    while (i < shell->queries_n && shell->queries[i] != INT64_MAX)
        i++;
    if (i == shell->queries_n)
        return;
    shell->queries[i] = answer->value;
    if (answer->value < 0) { /* could not be asked: ask again */
        shell->queries_n--;
        memmove(shell->queries + i, shell->queries + i + 1, (shell->queries_n - i) * sizeof shell->queries[0]);
        shell_query_jobs_end(shell);
        return;
    }
    answer_queries(shell);
}

void shell_query_jobs_end(worker_shell_t *shell)
{
    const bus_request_t end_of_jobs = {.kind = BUS_FIND_END};
    fanmap_error_t err;
    if (shell->queries_n == QUERIES_MAX)
        return;
    shell->queries[shell->queries_n++] = INT64_MAX;
    if (bus_request(shell->jobs, &end_of_jobs, on_jobs_end, shell, &err) != FANMAP_OK)
        shell_fail(shell, &err);
}

static void take_job(worker_shell_t *shell, const bus_record_t *record, const jobs_record_t *decoded)
{
    shell_step(shell, &(worker_event_t){.type = WORKER_JOBS, .jobs = decoded, .appended_ms = record->appended_ms});
    shell_ask_clock(shell, decoded);
}

static bool on_jobs_record(void *arg, const bus_record_t *record)
{
    worker_shell_t *shell = arg;
    jobs_record_t decoded;
    shell->jobs_position = record->offset + 1;
    if (jobs_decode(record->key, record->key_len, record->value, record->value_len, &decoded))
        take_job(shell, record, &decoded);
    else if (!jobs_is_clock(record->key, record->key_len))
        shell_burial_record(shell->burial, record);
    answer_queries(shell);
    return false;
}

/* ---- the group ---- */

static void too_many_lanes(worker_shell_t *shell)
{
    fanmap_error_t err;
    err_set(&err, FANMAP_EUSAGE,
            "this worker has more than %d partitions of items, or no memory for them: serve fewer tasks, or make their "
            "topics with fewer partitions",
            WORKER_LANES_MAX);
    shell_fail(shell, &err);
}

static void on_assigned(void *arg, int32_t bus_lane, int64_t offset, bool was_committed, const char *metadata,
                        size_t metadata_len)
{
    worker_shell_t *shell = ((group_link_t *)arg)->shell;
    worker_event_t event = {.type = WORKER_ASSIGNED};
    int32_t lane = shell ? shell_lane(shell, bus_lane) : -1;
    if (lane < 0) {
        if (shell)
            too_many_lanes(shell);
        return;
    }
    event.assigned.lane = lane;
    event.assigned.partition = BUS_LANE_PARTITION(bus_lane);
    event.assigned.task = (uint32_t)BUS_LANE_TOPIC(bus_lane);
    event.assigned.offset = offset;
    event.assigned.was_committed = was_committed;
    event.assigned.metadata = metadata;
    event.assigned.metadata_len = metadata_len;
    event.assigned.member = bus_group_member(shell->group);
    shell_step(shell, &event);
    if (!was_committed && offset > 0)
        shell_tell_lost(shell);
}

static void on_rebalanced(void *arg)
{
    worker_shell_t *shell = ((group_link_t *)arg)->shell;
    if (shell)
        shell_step(shell, &(worker_event_t){.type = WORKER_REBALANCED, .member = bus_group_member(shell->group)});
}

static void revoke(worker_shell_t *shell, const int32_t *bus_lanes, size_t n, bool lost)
{
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
    worker_event_t event = {.type = WORKER_ITEM};
    if (!shell)
        return false;
    event.item.lane = shell_lane(shell, record->lane);
    event.item.offset = record->offset;
    event.item.key = record->key;
    event.item.key_len = record->key_len;
    event.item.value = record->value;
    event.item.value_len = record->value_len;
    event.item.payload = record->owner;
    shell_step(shell, &event);
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

void shell_join_anew(worker_shell_t *shell)
{
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

void shell_let_go(worker_shell_t *shell)
{
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
    static const bus_group_callbacks_t callbacks = {on_assigned,  on_rebalanced, on_revoked,  on_item,
                                                    on_committed, on_gap,        on_described};
    char group[TOPIC_NAME_MAX];
    fanmap_error_t err;
    name_group(group, shell->name_space, shell->queue);
    shell->link = calloc(1, sizeof *shell->link);
    if (!shell->link) {
        err_set(&err, FANMAP_ENOMEM, "out of memory");
        shell_fail(shell, &err);
        return;
    }
    shell->link->shell = shell;
    if (bus_group_join(shell->items, shell->config.catalogue->n, group, &callbacks, shell->link, &shell->group, &err) !=
        FANMAP_OK) {
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

void shell_topics_close(worker_shell_t *shell)
{
    loop_defer_cancel(shell->loop, join_again, shell);
    loop_defer_cancel(shell->loop, leave_to_join, shell);
}

/* Once every job is known and every topic is there. */
static void begin_joining(worker_shell_t *shell)
{
    if (shell->is_caught_up && shell->has_items && !shell->is_draining)
        shell_join(shell);
}

/* The end of the jobs topic as it was at the start: every job submitted before is known now. */
static void on_jobs_caught_up(void *arg, int64_t position)
{
    worker_shell_t *shell = arg;
    if (position > shell->jobs_position)
        shell->jobs_position = position;
    answer_queries(shell);
    if (shell->is_caught_up)
        return;
    shell->is_caught_up = true;
    shell_burial_caught_up(shell->burial);
    shell_step(shell, &(worker_event_t){.type = WORKER_JOBS_POSITION, .position = {shell->jobs_position, false}});
    begin_joining(shell);
}

static void on_jobs_gone(void *arg, int64_t low)
{
    worker_shell_t *shell = arg;
    fanmap_error_t err;
    err_set(&err, FANMAP_ELOST, "the jobs topic cannot be read from its start (first offset %lld)", (long long)low);
    shell_fail(shell, &err);
}

/* ---- opening ---- */

static int open_topic(worker_shell_t *shell, const char *name, bus_topic_t **ret, fanmap_error_t *err)
{
    return bus_topic_open(shell->bus, name, shell_delivered, shell, ret, err);
}

static void on_items_topics(void *arg, const uint32_t *partitions_n, const fanmap_error_t *err)
{
    worker_shell_t *shell = arg;
    if (err) {
        shell_fail(shell, err);
        return;
    }
    for (size_t i = 0; i < shell->config.catalogue->n; i++)
        shell->items_partitions[i] = partitions_n[i];
    shell->has_items = true;
    begin_joining(shell);
}

static int ensure_items(worker_shell_t *shell, bus_topic_config_t *topics, char (*names)[TOPIC_NAME_MAX],
                        fanmap_error_t *err)
{
    const worker_shell_config_t *c = &shell->config;
    int r = FANMAP_OK;
    for (size_t i = 0; r == FANMAP_OK && i < c->catalogue->n; i++) {
        name_items(names[i], shell->name_space, shell->queue, shell->task_names[i]);
        topics[i] = (bus_topic_config_t){names[i], c->partitions, false, -1, c->record_bytes_max};
        r = open_topic(shell, names[i], &shell->items[i], err);
    }
    return r == FANMAP_OK
               ? bus_ensure_topics(shell->bus, topics, c->catalogue->n, c->create_topics, on_items_topics, shell, err)
               : r;
}

static int open_items(worker_shell_t *shell, fanmap_error_t *err)
{
    bus_topic_config_t *topics = calloc(shell->config.catalogue->n + 1, sizeof *topics);
    char(*names)[TOPIC_NAME_MAX] = calloc(shell->config.catalogue->n + 1, sizeof *names);
    int r = topics && names ? ensure_items(shell, topics, names, err) : err_set(err, FANMAP_ENOMEM, "out of memory");
    free(topics);
    free(names);
    return r;
}

/* Those of items come after: a broker takes its time for many, and has answered by then. */
static void on_shared(void *arg, const uint32_t *partitions_n, const fanmap_error_t *err)
{
    static const bus_reader_callbacks_t callbacks = {
        .record = on_jobs_record, .at_end = on_jobs_caught_up, .gone = on_jobs_gone};
    worker_shell_t *shell = arg;
    fanmap_error_t why;
    (void)partitions_n;
    if (err) {
        shell_fail(shell, err);
        return;
    }
    if (shell->callbacks.connected)
        shell->callbacks.connected(shell->arg);
    if (bus_read(shell->jobs, 0, BUS_BEGIN, &callbacks, shell, &shell->jobs_reader, &why) != FANMAP_OK ||
        open_items(shell, &why) != FANMAP_OK)
        shell_fail(shell, &why);
}

static int open_shared(worker_shell_t *shell, fanmap_error_t *err)
{
    char results[TOPIC_NAME_MAX], jobs[TOPIC_NAME_MAX], dead[TOPIC_NAME_MAX];
    const worker_shell_config_t *c = &shell->config;
    const bus_topic_config_t topics[] = {
        {name_results(results, shell->name_space), c->partitions, false, c->retention_ms, c->record_bytes_max},
        {name_jobs(jobs, shell->name_space), 1, true, -1, c->record_bytes_max},
        {name_dead(dead, shell->name_space), 1, false, c->retention_ms, c->record_bytes_max},
    };
    int r = open_topic(shell, results, &shell->results, err);
    if (r == FANMAP_OK)
        r = open_topic(shell, jobs, &shell->jobs, err);
    if (r == FANMAP_OK)
        r = open_topic(shell, dead, &shell->dead, err);
    return r == FANMAP_OK ? bus_ensure_topics(shell->bus, topics, 3, c->create_topics, on_shared, shell, err) : r;
}

int shell_open_topics(worker_shell_t *shell, fanmap_error_t *err)
{
    size_t tasks_n = shell->config.catalogue->n;
    shell->items = calloc(tasks_n + 1, sizeof(bus_topic_t *));
    shell->lanes_of = calloc(tasks_n + 1, sizeof *shell->lanes_of);
    shell->items_partitions = calloc(tasks_n + 1, sizeof *shell->items_partitions);
    if (!shell->items || !shell->lanes_of || !shell->items_partitions)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    return open_shared(shell, err);
}
