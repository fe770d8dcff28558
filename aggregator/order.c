/* What comes is copied into the store (blocks.h) and its place is noted under its index (pages.h); when the position
 * gets there, it is read from its place and the place is forgotten. By arrival the place is noted under a running
 * number, so that nothing waits for anything; after the decision come the indexes that nothing was put for. */
#include "aggregator/order.h"

#include "base/invariant.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/blocks.h"
#include "aggregator/pages.h"
#include "aggregator/spill.h"

enum { OUTCOME_BYTES_MAX = 1 << 30 };
#define INDEX_MAX ((uint64_t)1 << 58) /* 16 bytes an index must fit into a file */

struct order {
    uint64_t position;
    uint32_t mark;
    bool is_decided;
    uint64_t n;
    fanmap_kind_t missing;
    order_known_fn known; /* NULL: in order of the indexes */
    const void *known_arg;
    uint64_t arrived_n, missing_from; /* by arrival; indexes below missing_from were looked at */
    uint64_t waiting_n, waiting_bytes;
    buf_t scratch;
    bool has_out;
    place_t out; /* what order_next gave out last */
    pages_t *pages;
    blocks_t *blocks;
    spill_t places_file, outcomes_file;
};

int order_new(size_t memory_bytes, const char *dir, order_t **ret, fanmap_error_t *err)
{
    order_t *order = calloc(1, sizeof *order);
    if (!order)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    int code = spill_init(&order->places_file, dir, err);
    int code2 = spill_init(&order->outcomes_file, dir, err);
    order->pages = pages_new(&order->places_file);
    order->blocks = blocks_new(memory_bytes, &order->outcomes_file);
    if (code || code2 || !order->pages || !order->blocks) {
        order_free(order);
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    }
    order->mark = 1;
    *ret = order;
    return FANMAP_OK;
}

void order_begin_at(order_t *order, uint64_t index)
{
    if (order->known)
        order->missing_from = index;
    else
        order->position = index;
}

void order_mark(order_t *order, uint32_t mark)
{
    invariant(mark > 0);
    order->mark = mark;
}

uint32_t order_out_mark(const order_t *order)
{
    return order->has_out ? order->out.mark : 0;
}

void order_by_arrival(order_t *order, order_known_fn known, const void *arg)
{
    order->known = known;
    order->known_arg = arg;
}

void order_free(order_t *order)
{
    if (!order)
        return;
    pages_free(order->pages);
    blocks_free(order->blocks);
    spill_free(&order->places_file);
    spill_free(&order->outcomes_file);
    buf_free(&order->scratch);
    free(order);
}

static void advance(order_t *order)
{
    order->position++;
    pages_pass(order->pages, order->position);
}

/* ---- in ---- */

int order_put(order_t *order, const outcome_t *outcome, fanmap_error_t *err)
{
    size_t entry_len, worker_len = outcome->worker_len < UINT8_MAX ? outcome->worker_len : UINT8_MAX;
    uint64_t number = order->known ? order->arrived_n : outcome->index;
    const void *entry = joblog_entry(outcome, &order->scratch, &entry_len);
    if (!entry)
        return err_set(err, FANMAP_ENOMEM, "out of memory for the outcome of item %" PRIu64, outcome->index);
    size_t len = 1 + worker_len + entry_len;
    if (len > OUTCOME_BYTES_MAX || outcome->index >= INDEX_MAX)
        return err_set(err, FANMAP_EIO, "the outcome of item %" PRIu64 " cannot be kept (%zu bytes)", outcome->index,
                       len);
    place_t *place;
    int code = pages_at(order->pages, number, &place, err);
    if (code)
        return code;
    uint8_t *to;
    code = blocks_put(order->blocks, (uint32_t)len, place, &to, err);
    if (code)
        return code;
    invariant(!order->is_decided && place->mark == 0 && number >= order->position);
    *to++ = (uint8_t)worker_len;
    if (worker_len > 0)
        memcpy(to, outcome->worker, worker_len);
    memcpy(to + worker_len, entry, entry_len);
    place->mark = order->mark;
    order->arrived_n++;
    order->waiting_n++;
    order->waiting_bytes += len;
    return FANMAP_OK;
}

void order_decide(order_t *order, uint64_t n, fanmap_kind_t missing)
{
    order->is_decided = true;
    order->n = n;
    order->missing = missing;
}

/* ---- out ---- */

static outcome_t missing_outcome(uint64_t index, fanmap_kind_t kind)
{
    return (outcome_t){.index = index, .kind = kind, .type = "", .message = "", .stderr_tail = ""};
}

static void release_out(order_t *order)
{
    if (order->has_out)
        blocks_release(order->blocks, &order->out);
    order->has_out = false;
}

static int read_and_advance(order_t *order, const place_t *place, outcome_t *ret, fanmap_error_t *err)
{
    const uint8_t *from;
    int code = blocks_get(order->blocks, place, &from, err);
    if (code)
        return code;
    size_t head = 1 + (size_t)from[0];
    if (head > place->len || !joblog_read_entry(from + head, place->len - head, ret)) {
        err_set(err, FANMAP_EIO, "the outcome of item %" PRIu64 " is not what was kept", order->position);
        return FANMAP_EIO;
    }
    ret->worker = (const char *)from + 1;
    ret->worker_len = head - 1;
    order->out = *place;
    order->has_out = true;
    invariant(order->waiting_n > 0 && order->waiting_bytes >= place->len);
    order->waiting_n--;
    order->waiting_bytes -= place->len;
    advance(order);
    return FANMAP_OK;
}

static int next_missing(order_t *order, outcome_t *ret)
{
    while (order->missing_from < order->n && order->known(order->known_arg, order->missing_from))
        order->missing_from++;
    if (order->missing_from >= order->n)
        return FANMAP_END;
    *ret = missing_outcome(order->missing_from++, order->missing);
    return FANMAP_OK;
}

/* What arrived at or beyond the end of the list does not count. */
static int next_arrived(order_t *order, outcome_t *ret, fanmap_error_t *err)
{
    outcome_t outcome;
    place_t *place;
    while (order->waiting_n > 0) {
        int code = pages_at(order->pages, order->position, &place, err);
        if (code == FANMAP_OK)
            code = read_and_advance(order, place, &outcome, err);
        if (code != FANMAP_OK)
            return code;
        if (!order->is_decided || outcome.index < order->n) {
            *ret = outcome;
            return FANMAP_OK;
        }
        release_out(order);
    }
    return order->is_decided ? next_missing(order, ret) : FANMAP_AGAIN;
}

int order_next(order_t *order, outcome_t *ret, fanmap_error_t *err)
{
    release_out(order);
    if (order->known)
        return next_arrived(order, ret, err);
    if (order->is_decided && order->position >= order->n)
        return FANMAP_END;
    place_t *place = NULL;
    if (order->waiting_n > 0) {
        int code = pages_at(order->pages, order->position, &place, err);
        if (code)
            return code;
    }
    if (place && place->mark)
        return read_and_advance(order, place, ret, err);
    if (!order->is_decided)
        return FANMAP_AGAIN;
    *ret = missing_outcome(order->position, order->missing);
    advance(order);
    return FANMAP_OK;
}

uint64_t order_position(const order_t *order)
{
    return order->position;
}

uint64_t order_waiting_n(const order_t *order)
{
    return order->waiting_n;
}

uint64_t order_waiting_bytes(const order_t *order)
{
    return order->waiting_bytes;
}

uint64_t order_spilled_bytes(const order_t *order)
{
    return blocks_in_file_bytes(order->blocks);
}
