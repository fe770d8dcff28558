/* Lanes that are read for notes, beside the group. */
#include "worker/shell/beside.h"

static bool on_watched(void *arg, const bus_record_t *record)
{
    const beside_t *watch = arg;
    worker_event_t event = {.type = WORKER_HEARD};
    event.item.lane = watch->lane;
    event.item.offset = record->offset;
    event.item.value = record->value;
    event.item.value_len = record->value_len;
    if (record->value_len < NOTE_BYTES_MAX)
        shell_step(watch->shell, &event);
    return false;
}

void shell_watch(worker_shell_t *shell, const worker_action_t *a)
{
    /* If retention took what it was to read, the group will find that too; until then the claimant's death decides. */
    static const bus_reader_callbacks_t callbacks = {.record = on_watched};
    beside_read(shell, &shell->watches, a->watch.lane, a->watch.on ? a->watch.from : -1, &callbacks);
}
