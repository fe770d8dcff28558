#include "aggregator/watch_state.h"

/* Jobs that are watched, then those that the last owner named and that were not read yet. */
static void collect_open(watch_t *watch, const partition_t *partition)
{
    gathered_t *now = &watch->now;
    const gathered_t *before = &partition->before;
    now->open_n = 0;
    now->until = before->until > partition->position ? before->until : partition->position;
    for (const job_t *job = partition->first; job; job = job->next) {
        if (now->open_n == GATHERED_OPEN_MAX) {
            now->until = job->start_offset;
            return;
        }
        now->open[now->open_n++] = job->start_offset;
    }
    for (uint32_t i = 0; i < before->open_n; i++) {
        if (before->open[i] < partition->position)
            continue;
        if (now->open_n == GATHERED_OPEN_MAX) {
            now->until = before->open[i];
            return;
        }
        now->open[now->open_n++] = before->open[i];
    }
}

bool watch_next_commit(watch_t *watch, watch_commit_t *ret)
{
    partition_t *partition = watch->partitions;
    while (partition && !partition->is_changed)
        partition = partition->next;
    if (!partition)
        return false;
    collect_open(watch, partition);
    *ret = (watch_commit_t){.partition = partition->id,
                            .offset = watch->now.open_n ? watch->now.open[0] : watch->now.until};
    buf_clear(&watch->metadata);
    gathered_encode(&watch->metadata, ret->offset, &watch->now);
    watch->out_of_memory |= watch->metadata.failed;
    ret->metadata = (const char *)watch->metadata.data;
    ret->metadata_len = watch->metadata.failed ? 0 : watch->metadata.len;
    partition->is_changed = false;
    return true;
}

void watch_commit_failed(watch_t *watch, int32_t id)
{
    partition_t *partition = watch_partition(watch, id);
    if (partition)
        partition->is_changed = true;
}
