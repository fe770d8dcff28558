/* Lanes that are read a second time, beside the group, for what the core put off. */
#include <stdlib.h>

#include "worker/shell/beside.h"

struct fetch {
    fetch_t *next;
    worker_shell_t *shell;
    int32_t lane;
    bus_reader_t *reader;
};

static bool on_fetched(void *arg, const bus_record_t *record)
{
    fetch_t *fetch = arg;
    shell_step_record(fetch->shell, WORKER_FETCHED, fetch->lane, record);
    return true;
}

static void on_gone(void *arg, int64_t low)
{
    fetch_t *fetch = arg;
    worker_event_t event = {.type = WORKER_FETCH_OVER, .gap = {.lane = fetch->lane, .to = low}};
    (void)bus_reader_drop(&fetch->reader);
    shell_step(fetch->shell, &event);
}

static fetch_t **find(worker_shell_t *shell, int32_t lane)
{
    fetch_t **at = &shell->fetches;
    while (*at && (*at)->lane != lane)
        at = &(*at)->next;
    return at;
}

static fetch_t *add(worker_shell_t *shell, int32_t lane)
{
    fetch_t *fetch = calloc(1, sizeof *fetch);
    if (!fetch)
        return NULL;
    *fetch = (fetch_t){.next = shell->fetches, .shell = shell, .lane = lane};
    return shell->fetches = fetch;
}

void shell_fetch(worker_shell_t *shell, const worker_action_t *a)
{
    static const bus_reader_callbacks_t callbacks = {.record = on_fetched, .gone = on_gone};
    fanmap_error_t err;
    fetch_t *fetch = *find(shell, a->fetch.lane);
    if (fetch)
        (void)bus_reader_drop(&fetch->reader);
    if (a->fetch.from < 0)
        return;
    if (!fetch && !(fetch = add(shell, a->fetch.lane))) {
        err_set(&err, FANMAP_ENOMEM, "out of memory");
        shell_fail(shell, &err);
        return;
    }
    if (bus_read(shell_items_of(shell, fetch->lane), shell_partition_of(shell, fetch->lane), a->fetch.from, &callbacks,
                 fetch, &fetch->reader, &err) != FANMAP_OK)
        shell_fail(shell, &err);
}

void shell_fetches_close(worker_shell_t *shell)
{
    fetch_t *fetch;
    while ((fetch = shell->fetches)) {
        shell->fetches = fetch->next;
        (void)bus_reader_drop(&fetch->reader);
        free(fetch);
    }
}
