/* Where the inputs of a second try are. What it ran again has its input under its own id, what it took over from its job
 * (values, errors that were not chosen) has it there, or further back. All are on one topic while the task stays the
 * same; a job of another task ends the way back. */
#include <string.h>

#include "base/text.h"
#include "client/mapping/retry_failed.h"

static void add_origin(retry_failed_t *r, const char *id, const spec_t *spec)
{
    retry_origin_t *origin = &r->origins[r->origins_n++];
    memcpy(origin->id, id, strlen(id) + 1);
    origin->partitions_n = spec->items_partitions;
    origin->submitted_ms = spec->submitted_ms;
    memcpy(r->next_origin, spec->retry_of, sizeof r->next_origin);
}

static void on_looked_up(void *arg, const lookup_result_t *found)
{
    retry_failed_t *r = arg;
    const spec_t *spec = &found->spec;
    lookup_free(r->lookup);
    r->lookup = NULL;
    bool is_there = found->view.is_known && strcmp(spec->task, r->spec.task) == 0 &&
                    strcmp(spec->queue, r->spec.queue) == 0 && spec->items_partitions <= r->job->queue->items_n;
    if (is_there)
        add_origin(r, r->next_origin, spec);
    else
        r->next_origin[0] = '\0';
    retry_collect(r);
}

bool retry_find_origins(retry_failed_t *r)
{
    fanmap_error_t err;
    if (r->origins_n == 0)
        add_origin(r, r->of, &r->spec);
    if (!r->next_origin[0] || r->origins_n == RETRY_ORIGINS_MAX)
        return true;
    if (lookup_begin(r->job->queue, r->next_origin, on_looked_up, r, &r->lookup, &err) != FANMAP_OK)
        job_fail(r->job, &err);
    return false;
}

const retry_origin_t *retry_origin_of(const retry_failed_t *r, const void *key, size_t key_len)
{
    for (size_t i = 0; i < r->origins_n; i++)
        if (text_is(key, key_len, r->origins[i].id))
            return &r->origins[i];
    return NULL;
}
