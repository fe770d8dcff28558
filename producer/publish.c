/* Items, packs of refused ones, progress and `input`: what is due goes out in the order of the input.
 *
 * An item leaves the queue when the windows have room for it and the log is known to be this producer's. What is
 * already there from an earlier producer is compared and not published again. An item that is refused, by the caller
 * or by the broker, gets its outcome in a pack; both kinds count as acknowledged when their record is stored.
 * `progress` follows about once a second, `input` behind the last acknowledgement. */
#include <stdlib.h>
#include <string.h>

#include "base/invariant.h"
#include "producer/state.h"
#include "schemas/item.h"

/* ---- items ---- */

static bool ahead_open(const producer_t *p)
{
    const producer_config_t *config = &p->config;
    if (!config->attached)
        return true;
    uint64_t without_outcome = p->window.next > p->known ? p->window.next - p->known : 0;
    return without_outcome < config->ahead_n && p->waiting_bytes <= config->spill_bytes;
}

bool publish_open(const producer_t *p)
{
    return !window_full(&p->window) && p->window.next - p->progress.stored < JOBLOG_AHEAD_MAX && ahead_open(p);
}

static bool is_to_be_sent(const queue_item_t *item)
{
    return item->kind == FANMAP_VALUE && !item->is_outcome;
}

static bool add_to_window(producer_t *p, const queue_item_t *item)
{
    bool is_added = window_add(&p->window, item->bytes, is_to_be_sent(item) ? item->len : 0);
    p->out_of_memory |= !is_added;
    return is_added;
}

/* ---- resuming: what the job has already ---- */

/* True: the item needs no publishing (or has ended this producer: it is not what was published). */
static bool is_there(producer_t *p, const queue_item_t *item)
{
    bool is_bad = item->kind == FANMAP_BAD_INPUT;
    prior_t *prior = p->config.prior;
    uint64_t index = p->window.next;
    const prior_item_t *found = prior ? prior_find(prior, index) : NULL;
    if (!found && !(prior && bitset_test(&prior->known, index)))
        return false;
    bool is_sent = is_to_be_sent(item);
    bool is_same = found ? is_sent && prior_hash(item->bytes, item->len) == found->hash
                         : item->is_outcome || bitset_test(&prior->bad, index) == is_bad;
    if (!is_same) {
        compare_differs(p, index, index + 1);
        return true;
    }
    if (!add_to_window(p, item))
        return true;
    if (found) {
        window_stored(&p->window, index, found->offset);
    } else {
        window_refused(&p->window, index, 0);
        window_packs_stored(&p->window, 1);
    }
    return true;
}

/* Records that were found and whose turn has not come yet stay within reach of the next one who resumes. */
static void keep_in_reach(const producer_t *p, int64_t *offsets)
{
    const prior_t *prior = p->config.prior;
    for (size_t i = prior ? prior->item_at : 0; prior && i < prior->items_n; i++) {
        const prior_item_t *item = &prior->items[i];
        int64_t *offset = &offsets[window_partition(&p->window, item->index)];
        if (item->index >= p->window.next && item->offset < *offset)
            *offset = item->offset;
    }
}

static void put_refused(producer_t *p)
{
    uint64_t pack = refused_flush(&p->refused, &p->values);
    actions_put_log(p, RECORD_REFUSED, pack);
}

/* What an earlier producer had published belongs to the job, and so does all before it. */
static bool halt_cuts(const producer_t *p)
{
    const prior_t *prior = p->config.prior;
    return p->was_halted && p->unmet == 0 && p->window.next >= (prior ? prior_end(prior) : 0);
}

static void end_input(producer_t *p)
{
    queue_free(&p->queue);
    free(p->source_error);
    p->source_error = NULL;
    p->input_ended = true;
}

static void publish_one(producer_t *p, const queue_item_t *item)
{
    if (is_there(p, item))
        return;
    uint64_t index = p->window.next;
    if (!add_to_window(p, item))
        return;
    if (!is_to_be_sent(item)) {
        window_refused(&p->window, index, p->refused.pack);
        if (item->is_outcome)
            refused_carry(&p->refused, index, item->bytes, item->len, p->now_ms);
        else
            refused_add(&p->refused, index, item->kind, (const char *)item->bytes, item->len, p->now_ms);
        if (refused_full(&p->refused))
            put_refused(p);
        return;
    }
    item_encode(&p->values, index, item->bytes, item->len);
    producer_action_t *action = actions_add(p, PRODUCER_PUT_ITEM);
    if (!action)
        return;
    action->cookie = index;
    action->partition = window_partition(&p->window, index);
}

static queue_item_t item_of(const producer_event_t *event)
{
    if (event->is_outcome)
        return (queue_item_t){.kind = event->kind, .is_outcome = true, .bytes = event->in, .len = event->in_len};
    if (event->kind == FANMAP_VALUE)
        return (queue_item_t){.kind = FANMAP_VALUE, .bytes = event->in, .len = event->in_len};
    const char *message = event->message ? event->message : "";
    return (queue_item_t){.kind = event->kind, .bytes = (const uint8_t *)message, .len = strlen(message)};
}

void publish_item(producer_t *p, const producer_event_t *event)
{
    if (p->input_ended || p->phase > PHASE_PUBLISHING)
        return;
    if (p->phase == PHASE_COMPARING) {
        compare_item(p, event);
        return;
    }
    queue_item_t item = item_of(event);
    bool may_go = p->phase == PHASE_PUBLISHING && !halt_cuts(p) && p->queue.n == 0 && publish_open(p) &&
                  start_clear_to_publish(p);
    if (may_go)
        publish_one(p, &item);
    else if (!queue_add(&p->queue, &item))
        p->out_of_memory = true;
}

void publish_refused(producer_t *p, uint64_t index)
{
    static const char message[] = "the item is larger than the broker takes";
    if (p->phase == PHASE_PUBLISHING && window_refused(&p->window, index, p->refused.pack))
        refused_add(&p->refused, index, FANMAP_TOO_LARGE, message, sizeof message - 1, p->now_ms);
}

/* ---- records of the log ---- */

static bool all_published(const producer_t *p)
{
    return p->input_ended && p->queue.n == 0;
}

static void put_progress(producer_t *p)
{
    producer_progress_t *state = &p->progress;
    progress_t progress = {
        .prefix = p->window.prefix, .chain = p->window.prefix_chain, .partitions = p->window.partitions};
    memcpy(progress.producer, p->config.announce, sizeof progress.producer);
    window_offsets(&p->window, state->offsets);
    keep_in_reach(p, state->offsets);
    joblog_encode_progress(&p->values, &progress, state->offsets);
    actions_put_log(p, RECORD_PROGRESS, ++state->n);
    invariant(progress.prefix >= state->prefix);
    state->prefix = progress.prefix;
    state->put_ms = p->now_ms;
    state->in_flight = true;
}

/* Progress that was stored shows that the job is still ours only if the one before was young enough for nobody to take
 * the job over in between. */
void publish_progress_stored(producer_t *p, uint64_t number)
{
    producer_progress_t *state = &p->progress;
    if (number != state->n || !state->in_flight)
        return;
    invariant(state->stored <= state->prefix && state->prefix <= p->window.prefix);
    state->in_flight = false;
    state->stored = state->prefix;
    if (state->put_ms - state->stored_ms <= PAUSE_MS && state->put_ms > p->owner_ms)
        p->owner_ms = state->put_ms;
    state->stored_ms = state->put_ms;
}

static int64_t progress_at_ms(const producer_t *p)
{
    bool is_new = p->window.prefix != p->progress.prefix;
    return p->progress.put_ms + (is_new ? PROGRESS_EVERY_MS : PROGRESS_IDLE_MS);
}

static bool progress_waits(const producer_t *p)
{
    return !start_waits(p) && !p->progress.in_flight && !p->input_put;
}

static void put_input(producer_t *p)
{
    if (p->progress.prefix != p->window.prefix)
        put_progress(p);
    joblog_encode_input(&p->values, p->window.next, p->source_error);
    actions_put_log(p, RECORD_INPUT, 0);
    invariant(p->window.prefix == p->window.next && p->queue.n == 0);
    p->input_put = true;
}

static void publish_queued(producer_t *p)
{
    queue_item_t item;
    while (p->phase == PHASE_PUBLISHING && p->queue.n > 0 && !halt_cuts(p) && publish_open(p) &&
           start_clear_to_publish(p) && queue_pop(&p->queue, &item))
        publish_one(p, &item);
}

/* True: the input ended before an item that was published. */
static bool ends_too_early(producer_t *p)
{
    const prior_t *prior = p->config.prior;
    if (!prior || p->unmet || p->input_put || !all_published(p) || prior_end(prior) <= p->window.next)
        return false;
    compare_too_short(p, p->window.next, prior_end(prior) - 1);
    return true;
}

void publish_due(producer_t *p)
{
    if (p->phase != PHASE_PUBLISHING)
        return;
    if (p->queue.n > 0)
        publish_queued(p);
    if (halt_cuts(p) && !p->input_put)
        end_input(p);
    if (p->phase != PHASE_PUBLISHING || ends_too_early(p))
        return;
    bool is_due = refused_due(&p->refused, p->now_ms) || (p->refused.n > 0 && all_published(p));
    if (is_due && start_is_owner(p))
        put_refused(p);
    if (progress_waits(p) && p->now_ms >= progress_at_ms(p) && start_is_owner(p))
        put_progress(p);
    if (all_published(p) && !p->input_put && p->window.prefix == p->window.next && start_clear_to_publish(p))
        put_input(p);
}

int64_t producer_next_ms(const producer_t *p)
{
    int64_t next_ms = INT64_MAX;
    if (p->phase != PHASE_PUBLISHING)
        return next_ms;
    if (progress_waits(p))
        next_ms = progress_at_ms(p);
    if (p->refused.n > 0 && !start_waits(p) && p->refused.since_ms + REFUSED_LINGER_MS < next_ms)
        next_ms = p->refused.since_ms + REFUSED_LINGER_MS;
    return next_ms;
}
