/* How much is in hand, against the bounds of the config. */
#include "worker/core/state.h"

bool budget_holds(const worker_t *w, size_t sixths)
{
    return w->pool.in_use >= (w->config.items_max * sixths + 5) / 6 ||
           w->stats.payload_bytes >= w->config.budget_bytes * sixths / 6;
}

bool budget_has_room(const worker_t *w)
{
    return !budget_holds(w, 8);
}
