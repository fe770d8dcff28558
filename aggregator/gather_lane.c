#include "aggregator/gather_lane.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/search.h"
#include "base/table.h"

struct gather_key {
    uint8_t hash[PLACE_KEY_BYTES];
    int64_t highest;
    UT_hash_handle hh;
};

static bool is_ordered(const gather_lane_t *lane)
{
    return lane->order == STREAM_BY_PARTITION;
}

/* ---- keys ---- */

static gather_key_t *find_key(const gather_lane_t *lane, const gather_outcome_t *outcome)
{
    gather_key_t *key = NULL;
    if (outcome->has_key)
        HASH_FIND(hh, lane->keys, outcome->key, PLACE_KEY_BYTES, key);
    return key;
}

static void note_key(gather_lane_t *lane, const gather_outcome_t *outcome)
{
    gather_key_t *key = find_key(lane, outcome);
    if (!outcome->has_key || lane->order != STREAM_BY_KEY)
        return;
    if (key != NULL) {
        key->highest = outcome->offset > key->highest ? outcome->offset : key->highest;
        return;
    }
    key = calloc(1, sizeof *key);
    if (key == NULL) {
        lane->failed = true;
        return;
    }
    memcpy(key->hash, outcome->key, PLACE_KEY_BYTES);
    key->highest = outcome->offset;
    HASH_ADD(hh, lane->keys, hash, PLACE_KEY_BYTES, key);
    if (!table_added(key)) {
        free(key);
        lane->failed = true;
    }
}

/* Nothing seen of it is left above W. */
static void drop_key(gather_lane_t *lane, const gather_outcome_t *outcome)
{
    gather_key_t *key = find_key(lane, outcome);
    if (key == NULL || key->highest > outcome->offset)
        return;
    HASH_DEL(lane->keys, key);
    free(key);
}

static void drop_keys(gather_lane_t *lane)
{
    gather_key_t *key, *next;
    HASH_ITER(hh, lane->keys, key, next)
    {
        HASH_DEL(lane->keys, key);
        free(key);
    }
}

/* ---- entries ---- */

/* Where the offset is, or would be. Mostly at the end. */
static size_t find(const gather_lane_t *lane, int64_t offset)
{
    return search_below(lane->entries, lane->n, sizeof *lane->entries, offset);
}

/* A place behind the last one. What has left is mostly at the front: then the rest moves up, each entry at most once for each
 * that left. */
static bool make_room(gather_lane_t *lane)
{
    size_t passed = lane->room != NULL ? (size_t)(lane->entries - lane->room) : 0;
    if (passed + lane->n < lane->cap)
        return true;
    if (passed > 0 && passed >= lane->n) {
        lane->entries = memmove(lane->room, lane->entries, lane->n * sizeof *lane->entries);
        return true;
    }
    lane->failed |= !array_has_room(lane->room, passed + lane->n, lane->cap, 64);
    lane->entries = lane->room + passed;
    return !lane->failed;
}

static bool insert(gather_lane_t *lane, size_t place, int64_t at, const gather_outcome_t *outcome)
{
    if (!make_room(lane))
        return false;
    memmove(&lane->entries[place + 1], &lane->entries[place], (lane->n - place) * sizeof *lane->entries);
    lane->entries[place] = (gather_entry_t){*outcome, at};
    lane->n++;
    return true;
}

static void drop_first(gather_lane_t *lane, size_t n)
{
    lane->n -= n;
    lane->entries = lane->n > 0 ? lane->entries + n : lane->room;
}

gather_outcome_t gather_outcome_of(const stream_outcome_t *outcome, void *payload)
{
    gather_outcome_t ret = {.offset = (int64_t)outcome->outcome.index,
                            .prev = outcome->prev,
                            .is_gone = outcome->outcome.kind == FANMAP_LOST,
                            .has_key = outcome->key != NULL,
                            .payload = payload};
    ret.is_skipped = ret.is_gone && outcome->outcome.message_len == sizeof STREAMLOG_SKIPPED - 1 &&
                     memcmp(outcome->outcome.message, STREAMLOG_SKIPPED, sizeof STREAMLOG_SKIPPED - 1) == 0;
    if (outcome->key != NULL)
        memcpy(ret.key, outcome->key, PLACE_KEY_BYTES);
    return ret;
}

void gather_lane_lose(gather_lane_t *lane, int64_t from, int64_t to)
{
    if (array_has_room(lane->losses, lane->losses_n, lane->losses_cap, 8))
        lane->losses[lane->losses_n++] = (gather_loss_t){from, to};
    else
        lane->failed = true;
}

static void pass_on(gather_lane_t *lane, const gather_outcome_t *outcome, const gather_calls_t *calls)
{
    lane->skipped += outcome->is_skipped;
    if (!outcome->is_gone)
        calls->hand_out(calls->arg, outcome);
}

/* ---- by partition ---- */

/* The first n of what waits. */
static void hand_out_first(gather_lane_t *lane, size_t n, const gather_calls_t *calls)
{
    for (size_t i = 0; i < n; i++) {
        const gather_outcome_t *outcome = &lane->entries[i].outcome;
        pass_on(lane, outcome, calls);
        calls->release(calls->arg, outcome);
    }
    if (n > 0)
        lane->last = lane->entries[n - 1].outcome.offset;
    drop_first(lane, n);
}

static void hand_out_ready(gather_lane_t *lane, const gather_calls_t *calls)
{
    size_t n;
    while ((n = gather_ready(lane)) > 0)
        hand_out_first(lane, n, calls);
}

static void accept_ordered(gather_lane_t *lane, int64_t at, const gather_outcome_t *outcome,
                           const gather_calls_t *calls)
{
    size_t place = find(lane, outcome->offset);
    if (outcome->offset > lane->last && !gather_was_seen(lane, place, outcome->offset)) {
        if (insert(lane, place, at, outcome))
            return;
    } else if (outcome->offset > lane->last) {
        gather_copy(&lane->entries[place], outcome);
    }
    calls->release(calls->arg, outcome);
}

static void step_over(gather_lane_t *lane, int64_t whole, const gather_calls_t *calls)
{
    if (!gather_is_lost(lane, whole))
        return;
    gather_lane_lose(lane, lane->last + 1, whole);
    hand_out_first(lane, find(lane, whole + 1), calls);
    lane->last = whole > lane->last ? whole : lane->last;
    hand_out_ready(lane, calls);
}

/* ---- by key, and in no order ---- */

static void accept_unordered(gather_lane_t *lane, int64_t at, const gather_outcome_t *outcome,
                             const gather_calls_t *calls)
{
    size_t place = find(lane, outcome->offset);
    const gather_key_t *key = find_key(lane, outcome);
    bool is_new = outcome->offset > lane->last && !gather_was_seen(lane, place, outcome->offset) &&
                  !gather_is_overtaken(lane, key != NULL ? key->highest : -1, outcome);
    if (is_new && !gather_is_remembered(lane, at)) {
        pass_on(lane, outcome, calls);
        lane->highest = outcome->offset > lane->highest ? outcome->offset : lane->highest;
    }
    calls->release(calls->arg, outcome);
    if (!is_new)
        return;
    gather_outcome_t seen = *outcome;
    seen.payload = NULL;
    insert(lane, place, at, &seen);
    note_key(lane, &seen);
}

static void prune(gather_lane_t *lane, int64_t whole)
{
    if (whole <= lane->last)
        return;
    lane->last = whole;
    size_t n = find(lane, whole + 1);
    for (size_t i = 0; i < n; i++)
        drop_key(lane, &lane->entries[i].outcome);
    drop_first(lane, n);
}

/* ---- the lane ---- */

void gather_lane_pack(gather_lane_t *lane, int64_t at, int64_t whole, const gather_outcome_t *outcomes, size_t n,
                      const gather_calls_t *calls)
{
    lane->position = at + 1;
    lane->is_dirty = true;
    for (size_t i = 0; i < n; i++) {
        if (is_ordered(lane))
            accept_ordered(lane, at, &outcomes[i], calls);
        else
            accept_unordered(lane, at, &outcomes[i], calls);
    }
    if (!is_ordered(lane)) {
        prune(lane, whole);
        return;
    }
    hand_out_ready(lane, calls);
    step_over(lane, whole, calls);
}

void gather_lane_gone(gather_lane_t *lane, int64_t low)
{
    if (gather_forgot(lane) && lane->highest > lane->last) {
        gather_lane_lose(lane, lane->last + 1, lane->highest);
        prune(lane, lane->highest);
    }
    lane->position = low;
    lane->is_dirty = true;
}

int64_t gather_lane_position(const gather_lane_t *lane, char *ret_text)
{
    if (is_ordered(lane))
        (void)snprintf(ret_text, GATHER_POSITION_MAX, "p %lld", (long long)lane->last);
    else
        (void)snprintf(ret_text, GATHER_POSITION_MAX, "k %lld %lld %lld", (long long)lane->last,
                       (long long)(lane->position > lane->read_before ? lane->position : lane->read_before),
                       (long long)lane->highest);
    size_t len = strlen(ret_text);
    if (lane->skipped > 0)
        (void)snprintf(ret_text + len, GATHER_POSITION_MAX - len, " %llu", (unsigned long long)lane->skipped);
    return gather_first_needed(lane);
}

bool gather_lane_load(gather_lane_t *lane, int64_t at, const char *text)
{
    long long last = -1, read_before = 0, highest = -1;
    unsigned long long skipped = 0;
    int end = 0, end_all = 0;
    if (text[0] != '\0' && is_ordered(lane) && sscanf(text, "p %lld%n %llu%n", &last, &end, &skipped, &end_all) < 1)
        return false;
    if (text[0] != '\0' && !is_ordered(lane) &&
        sscanf(text, "k %lld %lld %lld%n %llu%n", &last, &read_before, &highest, &end, &skipped, &end_all) < 3)
        return false;
    if (text[end_all > 0 ? end_all : end] != '\0')
        return false;
    lane->is_loaded = true;
    lane->position = at;
    lane->last = last;
    lane->read_before = read_before;
    lane->highest = highest;
    lane->skipped = skipped;
    return true;
}

void gather_lane_forget(gather_lane_t *lane, gather_fn release, void *arg)
{
    for (size_t i = 0; i < lane->n && is_ordered(lane); i++)
        release(arg, &lane->entries[i].outcome);
    drop_first(lane, lane->n);
    lane->losses_n = 0;
    lane->is_loaded = lane->is_dirty = false;
    drop_keys(lane);
}

void gather_lane_free(gather_lane_t *lane)
{
    drop_keys(lane);
    free(lane->room);
    free(lane->losses);
}
