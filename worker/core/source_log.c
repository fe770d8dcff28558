/* What the log of a stream must know beside outcomes, and whether more of a lane is wanted. */
#include "worker/core/state.h"

/* Nothing more until half of the window is free, so that Kafka is asked for many at a time. */
void source_hold(worker_t *w, worker_part_t *part)
{
    source_t *source = part->source;
    uint32_t divisor = source->is_held ? 2 : 1;
    bool is_full = source_is_full(source, w->config.window_max / divisor, w->config.window_bytes_max / divisor);
    if (is_full == source->is_held || !part->is_owned)
        return;
    worker_action_t *action = act(w, WORKER_LANE);
    source->is_held = is_full;
    if (action == NULL)
        return;
    action->lane.lane = part->number;
    action->lane.on = !is_full;
}

void source_finished(worker_t *w, worker_part_t *part)
{
    source_advance(part->source, &part->tracker);
    source_hold(w, part);
}

void source_tell(worker_item_t *item, worker_source_t *ret)
{
    source_t *source = item->part->source;
    *ret = (worker_source_t){.lane = item->part->number,
                             .partition = item->part->partition,
                             .prev = item->before,
                             .whole = source_whole(source),
                             .has_key = item->key != NULL,
                             .payload = item->payload};
    if (item->key != NULL)
        source_key_hash(item->key, ret->key);
    source->said = ret->whole > source->said ? ret->whole : source->said;
}

bool source_owes(const source_t *source)
{
    return source_whole(source) > source->said && !source->job->is_ended;
}

void source_pass(worker_t *w, worker_part_t *part)
{
    source_t *source = part->source;
    int64_t whole = source_whole(source);
    if (part->publishing_n > 0 || whole <= source->said || source->job->spec == NULL || source->job->is_ended)
        return;
    worker_action_t *action = act(w, WORKER_PASS);
    if (action == NULL)
        return;
    source->said = whole;
    action->pass.spec = source->job->spec;
    action->pass.lane = part->number;
    action->pass.partition = part->partition;
    action->pass.whole = whole;
}
