/* A chain of blocks, filled at its end and emptied at its head. Nothing moves, so what was handed out stays where it is
 * until its block is let go by the next call. */
#include "aggregator/arrival.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_BYTES = 64 * 1024 };

typedef struct block block_t;
struct block {
    block_t *next;
    size_t at, len, cap; /* handed out up to `at`, filled up to `len` */
    _Alignas(8) uint8_t bytes[];
};

struct arrival {
    arrival_known_fn known;
    const void *known_arg;
    block_t *first, *last;
    uint64_t waiting_n, waiting_bytes;
    buf_t scratch;
    bool is_decided;
    uint64_t n, missing_from; /* indexes below missing_from were looked at */
    fanmap_kind_t missing;
};

arrival_t *arrival_new(arrival_known_fn known, const void *arg)
{
    arrival_t *arrival = calloc(1, sizeof *arrival);
    if (!arrival)
        return NULL;
    arrival->known = known;
    arrival->known_arg = arg;
    return arrival;
}

static void drop_first(arrival_t *arrival)
{
    block_t *block = arrival->first;
    arrival->first = block->next;
    if (!arrival->first)
        arrival->last = NULL;
    free(block);
}

void arrival_free(arrival_t *arrival)
{
    if (!arrival)
        return;
    while (arrival->first)
        drop_first(arrival);
    buf_free(&arrival->scratch);
    free(arrival);
}

/* ---- in ---- */

/* The length of an outcome's entry, then the entry. Lengths stay aligned. */
static size_t room_for(size_t len)
{
    return (sizeof len + len + 7) & ~(size_t)7;
}

static uint8_t *reserve(arrival_t *arrival, size_t room)
{
    block_t *last = arrival->last;
    if (!last || last->cap - last->len < room) {
        size_t cap = room > BLOCK_BYTES ? room : BLOCK_BYTES;
        block_t *block = malloc(sizeof *block + cap);
        if (!block)
            return NULL;
        *block = (block_t){.cap = cap};
        if (last)
            last->next = block;
        else
            arrival->first = block;
        arrival->last = last = block;
    }
    uint8_t *to = last->bytes + last->len;
    last->len += room;
    return to;
}

int arrival_put(arrival_t *arrival, const outcome_t *outcome, fanmap_error_t *err)
{
    size_t len;
    const void *entry = joblog_entry(outcome, &arrival->scratch, &len);
    uint8_t *to = entry ? reserve(arrival, room_for(len)) : NULL;
    if (!to)
        return err_set(err, FANMAP_ENOMEM, "out of memory for the outcome of item %" PRIu64, outcome->index);
    memcpy(to, &len, sizeof len);
    memcpy(to + sizeof len, entry, len);
    arrival->waiting_n++;
    arrival->waiting_bytes += room_for(len);
    return FANMAP_OK;
}

void arrival_decide(arrival_t *arrival, uint64_t n, fanmap_kind_t missing)
{
    arrival->is_decided = true;
    arrival->n = n;
    arrival->missing = missing;
}

/* ---- out ---- */

static bool take(arrival_t *arrival, outcome_t *ret)
{
    size_t len;
    if (arrival->first->at == arrival->first->len) /* the one handed out before was its last */
        drop_first(arrival);
    block_t *block = arrival->first;
    const uint8_t *from = block->bytes + block->at;
    memcpy(&len, from, sizeof len);
    block->at += room_for(len);
    arrival->waiting_n--;
    arrival->waiting_bytes -= room_for(len);
    return joblog_read_entry(from + sizeof len, len, ret);
}

static int next_missing(arrival_t *arrival, outcome_t *ret)
{
    while (arrival->missing_from < arrival->n) {
        uint64_t index = arrival->missing_from++;
        if (arrival->known(arrival->known_arg, index))
            continue;
        *ret = (outcome_t){.index = index, .kind = arrival->missing, .type = "", .message = "", .stderr_tail = ""};
        return FANMAP_OK;
    }
    return FANMAP_END;
}

int arrival_next(arrival_t *arrival, outcome_t *ret, fanmap_error_t *err)
{
    while (arrival->waiting_n > 0) {
        outcome_t outcome;
        if (!take(arrival, &outcome))
            return err_set(err, FANMAP_EIO, "an outcome is not what was kept");
        if (arrival->is_decided && outcome.index >= arrival->n)
            continue;
        *ret = outcome;
        return FANMAP_OK;
    }
    return arrival->is_decided ? next_missing(arrival, ret) : FANMAP_AGAIN;
}

bool arrival_has_next(const arrival_t *arrival)
{
    return arrival->waiting_n > 0 || arrival->is_decided;
}

uint64_t arrival_waiting_bytes(const arrival_t *arrival)
{
    return arrival->waiting_bytes;
}
