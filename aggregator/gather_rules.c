#include "aggregator/gather_lane.h"

size_t gather_ready(const gather_lane_t *lane)
{
    for (size_t i = 0; i < lane->n; i++)
        if (lane->entries[i].outcome.prev <= lane->last)
            return i + 1;
    return 0;
}

void gather_copy(gather_entry_t *entry, const gather_outcome_t *copy)
{
    if (copy->prev < entry->outcome.prev)
        entry->outcome.prev = copy->prev;
}

bool gather_is_lost(const gather_lane_t *lane, int64_t whole)
{
    return whole > lane->last;
}

bool gather_is_overtaken(const gather_lane_t *lane, int64_t highest, const gather_outcome_t *outcome)
{
    return lane->order == STREAM_BY_KEY && outcome->has_key && highest > outcome->offset;
}

bool gather_was_seen(const gather_lane_t *lane, size_t place, int64_t offset)
{
    return place < lane->n && lane->entries[place].outcome.offset == offset;
}

bool gather_is_remembered(const gather_lane_t *lane, int64_t at)
{
    return at < lane->read_before;
}

int64_t gather_first_needed(const gather_lane_t *lane)
{
    int64_t first = lane->position;
    for (size_t i = 0; i < lane->n; i++)
        if (lane->entries[i].at < first)
            first = lane->entries[i].at;
    return first;
}

bool gather_forgot(const gather_lane_t *lane)
{
    return lane->order != STREAM_BY_PARTITION && lane->position < lane->read_before;
}
