#include <stdlib.h>

#include "aggregator/follower_state.h"

/* ---- what is held ---- */

static void unref_pack(follower_t *f, follow_pack_t *pack)
{
    if (--pack->refs > 0)
        return;
    f->release(f->arg, pack->owner);
    free(pack);
}

static void unref_entry(follower_t *f, follow_entry_t *entry)
{
    if (entry == NULL || --entry->refs > 0)
        return;
    unref_pack(f, entry->pack);
    free(entry);
}

static void on_release(void *arg, const gather_outcome_t *outcome)
{
    unref_entry(arg, outcome->payload);
}

static void on_hand_out(void *arg, const gather_outcome_t *outcome)
{
    follower_t *f = arg;
    follow_entry_t *entry = outcome->payload;
    entry->refs++;
    entry->next = NULL;
    *f->now->ready_end = entry;
    f->now->ready_end = &entry->next;
    f->ready_n++;
}

static bool by_partition(const follower_t *f)
{
    return f->order == STREAM_BY_PARTITION;
}

/* ---- looking at a record ---- */

static gather_outcome_t *read_pack(follower_t *f, follow_pack_t *pack, streamlog_pack_t *log, size_t *ret_n)
{
    gather_outcome_t *all = calloc(log->left + 1U, sizeof *all);
    stream_outcome_t outcome;
    size_t n = 0;
    while (all != NULL && streamlog_next(log, &outcome)) {
        follow_entry_t *entry = malloc(sizeof *entry);
        if (entry == NULL) {
            f->failed = true;
            break;
        }
        *entry = (follow_entry_t){.refs = 1, .pack = pack, .number = (uint32_t)n, .outcome = outcome};
        pack->refs++;
        all[n++] = gather_outcome_of(&outcome, entry);
    }
    f->failed |= all == NULL;
    *ret_n = n;
    return all;
}

static gather_calls_t calls_of(follower_t *f, follow_lane_t *lane)
{
    f->now = lane;
    return (gather_calls_t){on_hand_out, on_release, f};
}

/* What was deleted before the first record that is there was asked for; by partition the chain of offsets tells it. */
static void miss_deleted(follower_t *f, follow_lane_t *lane, int64_t at)
{
    int64_t last = lane->handed_out > lane->whole ? lane->handed_out : lane->whole;
    if (lane->is_asked && !by_partition(f) && at > 0 && lane->rules.last < last)
        gather_lane_lose(&lane->rules, lane->rules.last + 1, last);
    lane->is_asked = false;
}

/* What the log's very first record says to be whole was before the stream began, and nobody misses it. */
static void heed_beginning(follow_lane_t *lane, int64_t at)
{
    if (at > 0 || lane->rules.last >= lane->whole)
        return;
    lane->rules.last = lane->given = lane->whole;
}

static void look_at(follower_t *f, follow_lane_t *lane, follow_pack_t *pack)
{
    streamlog_pack_t log;
    size_t n, skip = 0;
    gather_calls_t calls = calls_of(f, lane);
    (void)streamlog_decode(pack->value, pack->len, &log);
    lane->whole = log.whole;
    heed_beginning(lane, pack->at);
    miss_deleted(f, lane, pack->at);
    gather_outcome_t *all = read_pack(f, pack, &log, &n);
    if (all == NULL)
        return;
    if (!by_partition(f) && pack->at == lane->rules.read_before && lane->skip > 0) {
        skip = lane->skip < n ? lane->skip : n;
        lane->rules.read_before++;
        gather_lane_pack(&lane->rules, pack->at, -1, all, skip, &calls);
        lane->rules.read_before--;
    }
    gather_lane_pack(&lane->rules, pack->at, -1, all + skip, n - skip, &calls);
    lane->is_looking = true;
    free(all);
}

static void heed_whole(follower_t *f, follow_lane_t *lane)
{
    gather_calls_t calls = calls_of(f, lane);
    lane->is_looking = false;
    gather_lane_pack(&lane->rules, lane->rules.position - 1, lane->whole, NULL, 0, &calls);
}

/* Where nothing stands behind what was deleted no record tells that it was. */
static void heed_end(follower_t *f, follow_lane_t *lane)
{
    gather_calls_t calls = calls_of(f, lane);
    lane->is_at_end = false;
    if (by_partition(f))
        gather_lane_pack(&lane->rules, lane->rules.position - 1, lane->handed_out, NULL, 0, &calls);
    else if (lane->is_asked && lane->rules.last < lane->handed_out)
        gather_lane_lose(&lane->rules, lane->rules.last + 1, lane->handed_out);
}

/* Until something is there to be taken, or nothing is left to look at. */
static void read_until_ready(follower_t *f, follow_lane_t *lane)
{
    while (lane->ready == NULL && (lane->is_looking || lane->packs != NULL || lane->is_at_end)) {
        if (lane->is_looking) {
            heed_whole(f, lane);
            continue;
        }
        if (lane->packs == NULL) {
            heed_end(f, lane);
            continue;
        }
        follow_pack_t *pack = lane->packs;
        lane->packs = pack->next;
        if (lane->packs == NULL)
            lane->packs_end = &lane->packs;
        f->waiting_bytes -= pack->len;
        look_at(f, lane, pack);
        unref_pack(f, pack);
    }
    if (lane->ready == NULL)
        lane->given = lane->rules.last;
    f->failed |= lane->rules.failed;
}

bool follower_record(follower_t *f, uint32_t number, int64_t at, const void *value, size_t len, void *owner)
{
    streamlog_pack_t log;
    follow_lane_t *lane = &f->lanes[number];
    bool is_sound = streamlog_decode(value, len, &log);
    follow_pack_t *pack = is_sound ? malloc(sizeof *pack) : NULL;
    f->failed |= is_sound && pack == NULL;
    if (pack == NULL) {
        f->release(f->arg, owner);
        return is_sound;
    }
    *pack = (follow_pack_t){.refs = 1, .owner = owner, .value = value, .len = len, .at = at};
    *lane->packs_end = pack;
    lane->packs_end = &pack->next;
    lane->is_unread = false;
    f->waiting_bytes += len;
    read_until_ready(f, lane);
    return true;
}

void follower_end(follower_t *f, uint32_t number, int64_t at)
{
    follow_lane_t *lane = &f->lanes[number];
    lane->is_at_end = at > 0 && !lane->was_at_end;
    lane->was_at_end = true;
    read_until_ready(f, lane);
}

/* What waits comes first. */
void follower_gone(follower_t *f, uint32_t number, int64_t low)
{
    follow_lane_t *lane = &f->lanes[number];
    int64_t first = lane->rules.last + 1;
    int64_t last = lane->rules.highest > lane->handed_out ? lane->rules.highest : lane->handed_out;
    lane->is_fresh = false;
    gather_lane_gone(&lane->rules, low);
    if (!by_partition(f) && lane->rules.losses_n == 0) /* by partition the chain of offsets tells it */
        /* at most: what of it was handed out is not known */
        gather_lane_lose(&lane->rules, first, last < first ? first : last);
    f->failed |= lane->rules.failed;
}

/* ---- taking ---- */

bool follower_has_next(const follower_t *f)
{
    return f->ready_n > 0;
}

static follow_entry_t *dequeue_ready(follower_t *f, follow_lane_t *lane)
{
    follow_entry_t *entry = lane->ready;
    lane->ready = entry->next;
    if (lane->ready == NULL)
        lane->ready_end = &lane->ready;
    f->ready_n--;
    lane->given = (int64_t)entry->outcome.outcome.index;
    return entry;
}

bool follower_next(follower_t *f, followed_t *ret)
{
    if (f->ready_n == 0)
        return false;
    unref_entry(f, f->taken);
    while (f->lanes[f->turn].ready == NULL)
        f->turn = (f->turn + 1) % f->lanes_n;
    uint32_t number = f->turn;
    follow_lane_t *lane = &f->lanes[number];
    f->taken = dequeue_ready(f, lane);
    if (lane->ready == NULL) {
        read_until_ready(f, lane);
        f->turn = (f->turn + 1) % f->lanes_n;
    }
    *ret = (followed_t){number, f->taken->outcome};
    return true;
}

size_t follower_waiting_bytes(const follower_t *f)
{
    return f->waiting_bytes;
}

bool follower_loss(follower_t *f, uint32_t *ret_lane, gather_loss_t *ret)
{
    for (uint32_t i = 0; i < f->lanes_n; i++) {
        gather_lane_t *rules = &f->lanes[i].rules;
        while (rules->losses_n > 0) {
            gather_loss_t loss = rules->losses[--rules->losses_n];
            if (f->lanes[i].is_fresh && loss.from <= f->lanes[i].handed_out)
                continue;
            *ret_lane = i;
            *ret = loss;
            return true;
        }
    }
    return false;
}

bool follower_failed(const follower_t *f)
{
    return f->failed;
}

/* ---- beginning and end ---- */

follower_t *follower_new(stream_order_t order, uint32_t lanes_n, follower_release_fn release, void *arg)
{
    follower_t *f = calloc(1, sizeof *f);
    follow_lane_t *lanes = calloc(lanes_n + 1U, sizeof *lanes);
    if (f == NULL || lanes == NULL) {
        free(f);
        free(lanes);
        return NULL;
    }
    *f = (follower_t){.order = order, .lanes_n = lanes_n, .lanes = lanes, .release = release, .arg = arg};
    for (uint32_t i = 0; i < lanes_n; i++) {
        lanes[i].rules.order = order;
        lanes[i].packs_end = &lanes[i].packs;
        lanes[i].ready_end = &lanes[i].ready;
    }
    return f;
}

void follower_free(follower_t *f)
{
    if (f == NULL)
        return;
    unref_entry(f, f->taken);
    for (uint32_t i = 0; i < f->lanes_n; i++) {
        follow_lane_t *lane = &f->lanes[i];
        while (lane->ready != NULL)
            unref_entry(f, dequeue_ready(f, lane));
        gather_lane_forget(&lane->rules, on_release, f);
        gather_lane_free(&lane->rules);
        for (follow_pack_t *pack = lane->packs, *next; pack != NULL; pack = next) {
            next = pack->next;
            unref_pack(f, pack);
        }
    }
    free(f->lanes);
    free(f);
}
