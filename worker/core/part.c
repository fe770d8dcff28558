/* A lane as the worker knows it (a partition of the topic of one of its tasks): the table of them, survivors of an earlier ownership, counts. */
#include "worker/core/state.h"

#include <stdlib.h>

#include "base/array.h"
#include "base/search.h"

worker_part_t *part_get(worker_t *w, int32_t lane)
{
    if (lane < 0 || lane >= WORKER_LANES_MAX)
        return NULL;
    if ((uint32_t)lane >= w->parts_n) {
        if (!array_extend(w->parts, w->parts_n, (size_t)lane + 1)) {
            w->failed = true;
            return NULL;
        }
        w->parts_n = (uint32_t)lane + 1;
    }
    worker_part_t **place = &w->parts[lane];
    if (*place == NULL) {
        *place = calloc(1, sizeof **place);
        if (*place == NULL) {
            w->failed = true;
            return NULL;
        }
        (*place)->number = lane;
    }
    return *place;
}

void parts_free(worker_t *w)
{
    for (uint32_t i = 0; i < w->parts_n; i++) {
        worker_part_t *part = w->parts[i];
        if (part == NULL)
            continue;
        tracker_free(&part->tracker);
        free(part->deferred.runs);
        source_free(part->source);
        buf_free(&part->metadata);
        buf_free(&part->counts);
        buf_free(&part->said);
        buf_free(&part->released);
        free(part->claims);
        free(part->survivors);
        free(part);
    }
    free(w->parts);
}

int64_t part_prefix(const worker_part_t *part)
{
    return part->source != NULL ? source_commit(part->source, &part->tracker) : tracker_prefix(&part->tracker);
}

int by_offset(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

/* Several can stand at one offset: one being killed, one whose outcome is on its way. The last in line decides. */
survivor_t *part_find_survivor(worker_part_t *part, int64_t offset, const worker_item_t *item)
{
    size_t i = search_below(part->survivors, part->survivors_n, sizeof *part->survivors, offset);
    for (; i < part->survivors_n && part->survivors[i].offset == offset; i++)
        if (item == NULL ? part->survivors[i].item != NULL : part->survivors[i].item == item)
            return &part->survivors[i];
    return NULL;
}

void part_forget_survivor(worker_part_t *part, const worker_item_t *item)
{
    survivor_t *found = part_find_survivor(part, item->offset, item);
    if (found != NULL)
        found->item = NULL;
}

void part_note_counts(worker_t *w, worker_part_t *part, const worker_item_t *item)
{
    commit_count_t count = {item->offset, item->attempts, item->charges};
    buf_append(&part->counts, &count, sizeof count);
    w->failed |= part->counts.failed;
}
