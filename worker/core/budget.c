/* How much is in hand, against the bounds of the config. */
#include "worker/core/state.h"

void budget_begin(worker_t *w)
{
    for (size_t sixths = 0; sixths <= BUDGET_MOST; sixths++) {
        w->bounds[sixths].items = (w->config.items_max * sixths + 5) / 6;
        w->bounds[sixths].bytes = w->config.budget_bytes * sixths / 6;
    }
}

bool budget_holds(const worker_t *w, size_t sixths)
{
    invariant(sixths <= BUDGET_MOST);
    return w->pool.in_use >= w->bounds[sixths].items || w->stats.payload_bytes >= w->bounds[sixths].bytes;
}

bool budget_has_room(const worker_t *w)
{
    return !budget_holds(w, BUDGET_MOST);
}
