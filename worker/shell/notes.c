/* Lanes that are read for notes, beside the group. */
#include <stdlib.h>

#include "worker/shell/beside.h"

struct watch {
    watch_t *next;
    worker_shell_t *shell;
    int32_t lane;
    bus_reader_t *reader;
};

static bool on_watched(void *arg, const bus_record_t *record)
{
    watch_t *watch = arg;
    worker_event_t event = {.type = WORKER_HEARD};
    event.item.lane = watch->lane;
    event.item.offset = record->offset;
    event.item.value = record->value;
    event.item.value_len = record->value_len;
    if (record->value_len < NOTE_BYTES_MAX)
        shell_step(watch->shell, &event);
    return false;
}

static void unwatch(watch_t **at)
{
    watch_t *watch = *at;
    *at = watch->next;
    bus_reader_close(watch->reader);
    free(watch);
}

void shell_watch(worker_shell_t *shell, const worker_action_t *a)
{
    /* If retention took what it was to read, the group will find that too; until then the claimant's death decides. */
    static const bus_reader_callbacks_t callbacks = {.record = on_watched};
    fanmap_error_t err;
    watch_t **at = &shell->watches;
    while (*at && (*at)->lane != a->watch.lane)
        at = &(*at)->next;
    if (*at)
        unwatch(at);
    if (!a->watch.on)
        return;
    watch_t *watch = calloc(1, sizeof *watch);
    if (!watch) {
        err_set(&err, FANMAP_ENOMEM, "out of memory");
        shell_fail(shell, &err);
        return;
    }
    *watch = (watch_t){.next = shell->watches, .shell = shell, .lane = a->watch.lane};
    if (bus_read(shell_items_of(shell, watch->lane), shell_partition_of(shell, watch->lane), a->watch.from, &callbacks,
                 watch, &watch->reader, &err) != FANMAP_OK) {
        shell_fail(shell, &err);
        free(watch);
        return;
    }
    shell->watches = watch;
}

void shell_watches_close(worker_shell_t *shell)
{
    while (shell->watches)
        unwatch(&shell->watches);
}
