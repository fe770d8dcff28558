/* Lanes: what the core calls a partition of the topic of one of our tasks. The bus numbers them by the topic's place
 * and the partition (BUS_LANE), with wide gaps; the core's numbers are given out one after the other, as lanes are first
 * seen, and stay, also through a membership that is lost. */
#include <stdio.h>
#include <stdlib.h>

#include "base/array.h"
#include "io/bus_admin.h"
#include "worker/core/metrics.h"
#include "worker/shell/state.h"

static bool grow(lanes_of_t *of, uint32_t n)
{
    if (!array_extend(of->lanes, of->n, n))
        return false;
    for (; of->n < n; of->n++)
        of->lanes[of->n] = -1;
    return true;
}

static int32_t give_out(worker_shell_t *shell, int32_t bus_lane)
{
    if (shell->lanes_n == WORKER_LANES_MAX)
        return -1;
    if (!array_has_room(shell->lanes, shell->lanes_n, shell->lanes_cap, 64))
        return -1;
    shell->lanes[shell->lanes_n] = bus_lane;
    return (int32_t)shell->lanes_n++;
}

void shell_too_many_lanes(worker_shell_t *shell)
{
    fanmap_error_t err;
    err_set(&err, FANMAP_EUSAGE,
            "this worker has more than %d partitions of items, or no memory for them: serve fewer tasks, or make their "
            "topics with fewer partitions",
            WORKER_LANES_MAX);
    shell_fail(shell, &err);
}

int32_t shell_lane(worker_shell_t *shell, int32_t bus_lane)
{
    lanes_of_t *of = &shell->lanes_of[BUS_LANE_TOPIC(bus_lane)];
    uint32_t partition = (uint32_t)BUS_LANE_PARTITION(bus_lane);
    if (partition >= of->n && !grow(of, partition + 1))
        return -1;
    if (of->lanes[partition] < 0)
        of->lanes[partition] = give_out(shell, bus_lane);
    return of->lanes[partition];
}

int32_t shell_bus_lane(const worker_shell_t *shell, int32_t lane)
{
    return shell->lanes[lane];
}

bus_topic_t *shell_items_of(const worker_shell_t *shell, int32_t lane)
{
    return shell->items[BUS_LANE_TOPIC(shell->lanes[lane])];
}

int32_t shell_partition_of(const worker_shell_t *shell, int32_t lane)
{
    return BUS_LANE_PARTITION(shell->lanes[lane]);
}

char *shell_items_name(const worker_shell_t *shell, int32_t lane, char *ret)
{
    if (shell->stream) {
        (void)snprintf(ret, TOPIC_NAME_MAX, "%.*s", TOPIC_NAME_MAX - 1, shell->stream->from);
        return ret;
    }
    const char *task = shell->task_names[BUS_LANE_TOPIC(shell->lanes[lane])];
    return name_items(ret, shell->name_space, shell->queue, task);
}

static void was_remade(worker_shell_t *shell, int32_t bus_lane)
{
    char topic[TOPIC_NAME_MAX];
    if (shell->joins_anew)
        return;
    shell_log(shell, FANMAP_LOG_ERROR, "%s was deleted and made anew: what it held and had not run is lost",
              shell_items_name(shell, shell_lane(shell, bus_lane), topic));
    shell_step(shell, &(worker_event_t){.type = WORKER_REMADE, .gap = {.lane = shell_lane(shell, bus_lane)}});
}

void shell_gap(worker_shell_t *shell, int32_t bus_lane, int64_t from, int64_t to)
{
    shell_tell_lost(shell);
    if (to < from)
        was_remade(shell, bus_lane);
    else
        shell_step(shell, &(worker_event_t){.type = WORKER_GAP, .gap = {shell_lane(shell, bus_lane), from, to}});
}

uint64_t worker_shell_lag(const worker_shell_t *shell, size_t task)
{
    uint64_t lag = 0;
    for (size_t lane = 0; shell->group && lane < shell->lanes_n; lane++) {
        uint32_t its_task;
        int64_t position, end, from = worker_lane_prefix(shell->core, (int32_t)lane, &its_task);
        if (from < 0 || its_task != task || !bus_group_extent(shell->group, shell->lanes[lane], &position, &end))
            continue;
        lag += end > from ? (uint64_t)(end - from) : 0;
    }
    return lag;
}

void shell_lanes_free(worker_shell_t *shell)
{
    for (size_t i = 0; shell->lanes_of && i < shell->config.catalogue->n; i++)
        free(shell->lanes_of[i].lanes);
    free(shell->lanes_of);
    free(shell->lanes);
}
