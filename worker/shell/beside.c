/* Readers of lanes beside the group, at most one a lane in each list. */
#include "worker/shell/beside.h"

#include <stdlib.h>

static void drop(beside_t **at)
{
    beside_t *beside = *at;
    *at = beside->next;
    (void)bus_reader_drop(&beside->reader);
    free(beside);
}

void beside_read(worker_shell_t *shell, beside_t **list, int32_t lane, int64_t from,
                 const bus_reader_callbacks_t *callbacks)
{
    fanmap_error_t err;
    beside_t **at = list;
    while (*at && (*at)->lane != lane)
        at = &(*at)->next;
    if (*at)
        drop(at);
    if (from < 0)
        return;
    beside_t *beside = calloc(1, sizeof *beside);
    if (!beside) {
        err_set(&err, FANMAP_ENOMEM, "out of memory");
        shell_fail(shell, &err);
        return;
    }
    *beside = (beside_t){.next = *list, .shell = shell, .lane = lane};
    *list = beside;
    if (bus_read(shell_items_of(shell, lane), shell_partition_of(shell, lane), from, callbacks, beside, &beside->reader,
                 &err) != FANMAP_OK)
        shell_fail(shell, &err);
}

void beside_close(beside_t **list)
{
    while (*list)
        drop(list);
}
