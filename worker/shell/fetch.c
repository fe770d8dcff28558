/* Lanes that are read a second time, beside the group, for what the core put off. */
#include "worker/shell/beside.h"

static bool on_fetched(void *arg, const bus_record_t *record)
{
    const beside_t *fetch = arg;
    shell_step_record(fetch->shell, WORKER_FETCHED, fetch->lane, record);
    return true;
}

static void on_gone(void *arg, int64_t low)
{
    beside_t *fetch = arg;
    worker_event_t event = {.type = WORKER_FETCH_OVER, .gap = {.lane = fetch->lane, .to = low}};
    (void)bus_reader_drop(&fetch->reader);
    shell_step(fetch->shell, &event);
}

void shell_fetch(worker_shell_t *shell, const worker_action_t *a)
{
    static const bus_reader_callbacks_t callbacks = {.record = on_fetched, .gone = on_gone};
    beside_read(shell, &shell->fetches, a->fetch.lane, a->fetch.from, &callbacks);
}
