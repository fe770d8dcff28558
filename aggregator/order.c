/* What comes is copied into the store (blocks.h) and its place is noted under its index (pages.h); when the position
 * gets there, it is read from its place and the place is forgotten. */
#include "aggregator/order.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/blocks.h"
#include "aggregator/pages.h"
#include "aggregator/spill.h"

/* The head of a stored outcome; one with a value ends before exit_status. */
typedef struct {
    uint64_t run_us;
    uint32_t attempts;
    int32_t exit_status, signo;
    uint32_t type_len, message_len, stderr_len;
} head_t;

enum { VALUE_HEAD = offsetof(head_t, exit_status), ERROR_HEAD = sizeof(head_t), OUTCOME_BYTES_MAX = 1 << 30 };
#define INDEX_MAX ((uint64_t)1 << 58) /* 16 bytes an index must fit into a file */

struct order {
    uint64_t position;
    bool is_decided;
    uint64_t n;
    fanmap_kind_t missing;
    uint64_t waiting_n, waiting_bytes;
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
    *ret = order;
    return FANMAP_OK;
}

void order_free(order_t *order)
{
    if (!order)
        return;
    pages_free(order->pages);
    blocks_free(order->blocks);
    spill_free(&order->places_file);
    spill_free(&order->outcomes_file);
    free(order);
}

static void advance(order_t *order)
{
    order->position++;
    pages_pass(order->pages, order->position);
}

/* ---- in ---- */

static uint64_t stored_len(const outcome_t *outcome)
{
    if (outcome->kind == FANMAP_VALUE)
        return VALUE_HEAD + (uint64_t)outcome->value_len;
    return ERROR_HEAD + (uint64_t)outcome->type_len + outcome->message_len + outcome->stderr_len;
}

static uint8_t *append(uint8_t *to, const void *bytes, size_t len)
{
    if (len > 0)
        memcpy(to, bytes, len);
    return to + len;
}

static void store(uint8_t *to, const outcome_t *outcome)
{
    head_t head = {.run_us = outcome->run_us, .attempts = outcome->attempts};
    if (outcome->kind == FANMAP_VALUE) {
        to = append(to, &head, VALUE_HEAD);
        append(to, outcome->value, outcome->value_len);
        return;
    }
    head.exit_status = outcome->exit_status;
    head.signo = outcome->signo;
    head.type_len = (uint32_t)outcome->type_len;
    head.message_len = (uint32_t)outcome->message_len;
    head.stderr_len = (uint32_t)outcome->stderr_len;
    to = append(to, &head, ERROR_HEAD);
    to = append(to, outcome->type, outcome->type_len);
    to = append(to, outcome->message, outcome->message_len);
    append(to, outcome->stderr_tail, outcome->stderr_len);
}

int order_put(order_t *order, const outcome_t *outcome, fanmap_error_t *err)
{
    uint64_t len = stored_len(outcome);
    if (len > OUTCOME_BYTES_MAX || outcome->index >= INDEX_MAX)
        return err_set(err, FANMAP_EIO, "the outcome of item %" PRIu64 " cannot be kept (%" PRIu64 " bytes)",
                       outcome->index, len);
    place_t *place;
    int code = pages_at(order->pages, outcome->index, &place, err);
    if (code)
        return code;
    uint8_t *to;
    code = blocks_put(order->blocks, (uint32_t)len, place, &to, err);
    if (code)
        return code;
    store(to, outcome);
    place->mark = (uint32_t)outcome->kind + 1;
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

static void restore(const uint8_t *from, uint32_t len, outcome_t *ret)
{
    head_t head = {0};
    memcpy(&head, from, ret->kind == FANMAP_VALUE ? VALUE_HEAD : ERROR_HEAD);
    ret->attempts = head.attempts;
    ret->run_us = head.run_us;
    if (ret->kind == FANMAP_VALUE) {
        ret->value = from + VALUE_HEAD;
        ret->value_len = len - VALUE_HEAD;
        return;
    }
    ret->exit_status = head.exit_status;
    ret->signo = head.signo;
    ret->type = (const char *)from + ERROR_HEAD;
    ret->type_len = head.type_len;
    ret->message = ret->type + head.type_len;
    ret->message_len = head.message_len;
    ret->stderr_tail = ret->message + head.message_len;
    ret->stderr_len = head.stderr_len;
}

static outcome_t blank(uint64_t index, fanmap_kind_t kind)
{
    return (outcome_t){.index = index, .kind = kind, .type = "", .message = "", .stderr_tail = ""};
}

static void release_out(order_t *order)
{
    if (order->has_out)
        blocks_release(order->blocks, &order->out);
    order->has_out = false;
}

static int take(order_t *order, const place_t *place, outcome_t *ret, fanmap_error_t *err)
{
    const uint8_t *from;
    int code = blocks_get(order->blocks, place, &from, err);
    if (code)
        return code;
    *ret = blank(order->position, (fanmap_kind_t)(place->mark - 1));
    restore(from, place->len, ret);
    order->out = *place;
    order->has_out = true;
    order->waiting_n--;
    order->waiting_bytes -= place->len;
    advance(order);
    return FANMAP_OK;
}

int order_next(order_t *order, outcome_t *ret, fanmap_error_t *err)
{
    release_out(order);
    if (order->is_decided && order->position >= order->n)
        return FANMAP_END;
    place_t *place = NULL;
    if (order->waiting_n > 0) {
        int code = pages_at(order->pages, order->position, &place, err);
        if (code)
            return code;
    }
    if (place && place->mark)
        return take(order, place, ret, err);
    if (!order->is_decided)
        return FANMAP_AGAIN;
    *ret = blank(order->position, order->missing);
    advance(order);
    return FANMAP_OK;
}

uint64_t order_position(const order_t *order)
{
    return order->position;
}

uint64_t order_waiting_bytes(const order_t *order)
{
    return order->waiting_bytes;
}

uint64_t order_spilled_bytes(const order_t *order)
{
    return blocks_in_file_bytes(order->blocks);
}
