#include "worker/core/tracker.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/invariant.h"
#include "base/search.h"

/* More ranges than any metadata can hold: a range takes at least two of its 3000 bytes. */
enum { RANGES_MAX = 1500 };

static void forget_counts(tracker_t *t)
{
    free(t->counts);
    t->counts = NULL;
    t->counts_n = 0;
}

void tracker_free(tracker_t *t)
{
    bitset_free(&t->done);
    forget_counts(t);
    *t = (tracker_t){0};
}

void tracker_forget(tracker_t *t)
{
    tracker_free(t);
}

int64_t tracker_prefix(const tracker_t *t)
{
    return (int64_t)bitset_prefix(&t->done);
}

bool tracker_is_finished(const tracker_t *t, int64_t offset)
{
    return offset < tracker_prefix(t) || bitset_test(&t->done, (uint64_t)offset);
}

void tracker_finish(tracker_t *t, int64_t offset)
{
    if (offset >= tracker_prefix(t))
        bitset_set(&t->done, (uint64_t)offset);
}

void tracker_finish_range(tracker_t *t, int64_t from, int64_t to)
{
    int64_t prefix = tracker_prefix(t);
    if (from <= prefix && to > prefix) {
        bitset_set_prefix(&t->done, (uint64_t)to);
        return;
    }
    for (int64_t i = from > prefix ? from : prefix; i < to; i++)
        bitset_set(&t->done, (uint64_t)i);
}

static void take_counts(tracker_t *t, const commit_meta_t *meta)
{
    if (meta->counts_n == 0)
        return;
    t->counts = calloc(meta->counts_n, sizeof *t->counts);
    if (t->counts == NULL)
        return; /* the items then have their tries anew */
    memcpy(t->counts, meta->counts, meta->counts_n * sizeof *t->counts);
    t->counts_n = meta->counts_n;
}

static bool take_metadata(tracker_t *t, int64_t prefix, const char *metadata, size_t len)
{
    commit_decoded_t decoded;
    if (len == 0)
        return true;
    if (!commit_decode(metadata, len, prefix, &decoded))
        return false;
    for (uint32_t i = 0; i < decoded.meta.done_n; i++) {
        const commit_range_t *range = &decoded.meta.done[i];
        if (range->from >= prefix && range->to - prefix <= TRACKER_WINDOW_MAX)
            tracker_finish_range(t, range->from, range->to);
    }
    take_counts(t, &decoded.meta);
    commit_decoded_free(&decoded);
    return true;
}

bool tracker_assign(tracker_t *t, int64_t offset, bool was_committed, const char *metadata, size_t metadata_len)
{
    forget_counts(t);
    if (!was_committed || !t->is_known)
        bitset_free(&t->done);
    t->is_known = true;
    t->position = offset;
    if (offset > tracker_prefix(t))
        bitset_set_prefix(&t->done, (uint64_t)offset);
    return take_metadata(t, offset, metadata, metadata_len);
}

tracker_arrival_t tracker_arrive(tracker_t *t, int64_t offset)
{
    if (offset < t->position)
        return TRACKER_REPEATED;
    if (offset > t->position)
        tracker_finish_range(t, t->position, offset);
    t->position = offset + 1;
    return tracker_is_finished(t, offset) ? TRACKER_FINISHED : TRACKER_NEW;
}

static size_t find_count(const tracker_t *t, int64_t offset)
{
    return search_below(t->counts, t->counts_n, sizeof *t->counts, offset);
}

bool tracker_count(tracker_t *t, const commit_count_t *count)
{
    size_t at = find_count(t, count->offset);
    if (at < t->counts_n && t->counts[at].offset == count->offset) {
        t->counts[at] = *count;
        return true;
    }
    if (!array_extend(t->counts, t->counts_n, t->counts_n + 1))
        return false;
    memmove(&t->counts[at + 1], &t->counts[at], (t->counts_n - at) * sizeof *t->counts);
    t->counts[at] = *count;
    t->counts_n++;
    return true;
}

void tracker_unarrived_counts(const tracker_t *t, buf_t *ret)
{
    for (size_t i = find_count(t, t->position); i < t->counts_n; i++)
        if (!tracker_is_finished(t, t->counts[i].offset))
            buf_append(ret, &t->counts[i], sizeof t->counts[i]);
}

commit_count_t tracker_counts(const tracker_t *t, int64_t offset)
{
    size_t low = find_count(t, offset);
    if (low < t->counts_n && t->counts[low].offset == offset)
        return t->counts[low];
    return (commit_count_t){.offset = offset};
}

bool tracker_is_full(const tracker_t *t)
{
    return t->position - tracker_prefix(t) >= TRACKER_WINDOW_MAX;
}

/* Where finished offsets end: facts of an earlier ownership may lie beyond the position. */
static uint32_t finished_ranges(const tracker_t *t, commit_range_t *ret)
{
    uint64_t from = bitset_prefix(&t->done), left = bitset_count(&t->done) - from, end = from + TRACKER_WINDOW_MAX;
    uint32_t n = 0;
    while (left > 0 && n < RANGES_MAX) {
        from = bitset_next(&t->done, from, end, true);
        if (from >= end)
            break;
        uint64_t to = bitset_next(&t->done, from, end, false);
        ret[n++] = (commit_range_t){(int64_t)from, (int64_t)to};
        left -= to - from;
        from = to;
    }
    return n;
}

void tracker_encode(const tracker_t *t, const commit_meta_t *meta, buf_t *b)
{
    commit_range_t ranges[RANGES_MAX];
    commit_meta_t whole = *meta;
    uint32_t left_out;
    whole.done = ranges;
    whole.done_n = finished_ranges(t, ranges);
    if (!commit_encode(b, &whole, tracker_prefix(t), &left_out)) {
        invariant(b->failed);
        whole.names_n = 0; /* there is room for them: worker/core/poison.c sees to it */
        whole.members_n = 0;
        (void)commit_encode(b, &whole, tracker_prefix(t), &left_out);
    }
}
