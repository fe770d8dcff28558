/* Waiting for another try: no slot, no token, only a place in a heap. */
#include "worker/core/state.h"

/* min(base * factor^k, cap) with full jitter: evenly from none of it to all of it. */
int64_t backoff_wait_ms(worker_t *w, const spec_t *spec, uint32_t attempts)
{
    double wait = spec->backoff_base_ms, factor = spec->backoff_factor_milli / 1000.0;
    for (uint32_t i = 1; i < attempts && wait < spec->backoff_cap_ms && factor > 1.0; i++)
        wait *= factor;
    if (wait > spec->backoff_cap_ms)
        wait = spec->backoff_cap_ms;
    return (int64_t)random_below(&w->random, (uint64_t)wait + 1);
}

void backoff_delay(worker_t *w, worker_item_t *item, int64_t wait_ms)
{
    name_drop(w, item); /* it takes one anew when its time has come */
    suspect_end(w, item);
    item_set_state(item, STATE_DELAYED);
    item_list_append(&item->job->delayed, item);
    if (!heap_put(&w->delayed, &item->delay, w->now_ms + wait_ms))
        w->failed = true;
}

void backoff_turn(worker_t *w)
{
    heap_node_t *node;
    while ((node = heap_min(&w->delayed)) != NULL && node->key <= w->now_ms) {
        worker_item_t *item = heap_of(node, worker_item_t, delay);
        worker_job_t *job = item->job;
        heap_remove(&w->delayed, node);
        item_unlink(item);
        item_enqueue(w, item, false);
        job_mark(w, job);
    }
}
