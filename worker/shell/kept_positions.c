/* Whether the group of a stream keeps the positions that were stored. Kafka deletes them together with the source. One that is made
 * anew at once is not noticed by the client where it has as many records by then: it goes on at the old offset, and what stands
 * before it in the new topic would be stepped over without a word. So they are asked for every second; one that is gone ends the
 * worker's part in the stream, and whoever gets the partition refuses to begin it. */
#include <stdlib.h>

#include "io/bus_admin.h"
#include "worker/core/metrics.h"
#include "worker/shell/stream.h"

enum { LOOK_EVERY_MS = 1000 };

struct kept_positions {
    loop_timer_t *timer;
    bool is_asking;
    bool *stored; /* of each lane: there was one when it was asked */
    size_t stored_n;
};

static void on_positions(void *arg, const bus_answer_t *answer)
{
    worker_shell_t *shell = arg;
    fanmap_error_t err;
    shell->positions->is_asking = false;
    for (size_t lane = 0; !answer->err && shell->group && lane < shell->positions->stored_n; lane++) {
        int32_t partition = shell_partition_of(shell, (int32_t)lane);
        if (!shell->positions->stored[lane] || answer->offsets[partition] >= 0 ||
            worker_lane_committed(shell->core, (int32_t)lane) < 0)
            continue;
        shell_lacks_position(shell, partition, &err);
        shell_fail(shell, &err);
        return;
    }
}

/* Those that were stored when it is asked. */
static bool note_stored(worker_shell_t *shell, uint32_t *ret_n)
{
    bool *stored = realloc(shell->positions->stored, (shell->lanes_n + 1) * sizeof *stored);
    *ret_n = 0;
    if (!stored)
        return false;
    shell->positions->stored = stored;
    shell->positions->stored_n = shell->lanes_n;
    for (size_t lane = 0; lane < shell->lanes_n; lane++) {
        uint32_t partition = (uint32_t)shell_partition_of(shell, (int32_t)lane);
        stored[lane] = worker_lane_committed(shell->core, (int32_t)lane) >= 0;
        if (stored[lane] && *ret_n <= partition)
            *ret_n = partition + 1;
    }
    return true;
}

static void on_timer(void *arg)
{
    worker_shell_t *shell = arg;
    fanmap_error_t ignored; /* it is asked again */
    char group[TOPIC_NAME_MAX];
    uint32_t n;
    loop_timer_at(shell->positions->timer, loop_now_ms(shell->loop) + LOOK_EVERY_MS);
    if (!shell->group || shell->positions->is_asking || shell->is_draining || !note_stored(shell, &n) || n == 0)
        return;
    const bus_request_t request = {.kind = BUS_FIND_COMMITTED,
                                   .group = name_of_id(group, shell->name_space, NAME_STREAM, shell->stream->job),
                                   .n = n,
                                   .as_stands = true};
    shell->positions->is_asking = bus_request(shell->items[0], &request, on_positions, shell, &ignored) == FANMAP_OK;
}

int shell_positions_open(worker_shell_t *shell, fanmap_error_t *err)
{
    if (!shell->stream)
        return FANMAP_OK;
    shell->positions = calloc(1, sizeof *shell->positions);
    if (!shell->positions)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    int r = loop_timer_new(shell->loop, on_timer, shell, &shell->positions->timer, err);
    if (r == FANMAP_OK)
        loop_timer_at(shell->positions->timer, loop_now_ms(shell->loop) + LOOK_EVERY_MS);
    return r;
}

void shell_positions_close(worker_shell_t *shell)
{
    if (!shell->positions)
        return;
    loop_timer_free(shell->positions->timer);
    free(shell->positions->stored);
    free(shell->positions);
}
