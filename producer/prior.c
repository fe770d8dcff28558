/* Records go in as they are found, in any order of partitions; items are sorted once all were read and then asked for
 * by index. The marks of the hash chain are thinned out when there are too many: every second one goes, and the rest
 * still bound what can differ. */
#include "producer/prior.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/text.h"
#include "schemas/item.h"
#include "schemas/place.h"

bool prior_init(prior_t *prior, const char *job, uint32_t partitions)
{
    *prior = (prior_t){.partitions = partitions, .total = -1, .job_hash = place_job_hash(job)};
    memcpy(prior->job, job, strnlen(job, JOB_ID_MAX));
    prior->offsets = malloc(partitions * sizeof *prior->offsets);
    if (!prior->offsets)
        return false;
    for (uint32_t p = 0; p < partitions; p++)
        prior->offsets[p] = -1;
    return true;
}

void prior_free(prior_t *prior)
{
    free(prior->offsets);
    free(prior->marks);
    free(prior->items);
    bitset_free(&prior->known);
    bitset_free(&prior->bad);
    *prior = (prior_t){0};
}

/* ---- the log ---- */

static void thin_marks(prior_t *prior)
{
    size_t kept = 0;
    for (size_t i = 1; i < prior->marks_n; i += 2)
        prior->marks[kept++] = prior->marks[i];
    prior->marks_n = kept;
}

static void add_mark(prior_t *prior, uint64_t prefix, uint64_t chain)
{
    if (prior->marks_n == PRIOR_MARKS_MAX)
        thin_marks(prior);
    if (array_has_room(prior->marks, prior->marks_n, prior->marks_cap, 64))
        prior->marks[prior->marks_n++] = (prior_mark_t){prefix, chain};
    else
        prior->failed = true;
}

/* It was on its way, or its producer did not know yet, when another took the job over. */
static bool is_superseded(const progress_t *progress, const char *announced)
{
    return announced[0] != '\0' && progress->producer[0] != '\0' && strcmp(progress->producer, announced) != 0;
}

void prior_progress(prior_t *prior, const progress_t *progress, const char *announced)
{
    bool is_first = prior->marks_n == 0;
    if (progress->partitions != prior->partitions || progress->prefix < prior->prefix)
        return;
    if (is_superseded(progress, announced)) {
        prior->late = (prior_mark_t){progress->prefix, progress->chain};
        return;
    }
    for (uint32_t p = 0; p < prior->partitions; p++) {
        int64_t offset;
        if (joblog_progress_offset(progress, p, &offset) && offset >= 0)
            prior->offsets[p] = offset;
    }
    if (progress->prefix > prior->prefix || is_first)
        add_mark(prior, progress->prefix, progress->chain);
    prior->prefix = progress->prefix;
    prior->chain = progress->chain;
}

void prior_input(prior_t *prior, int64_t n)
{
    prior->total = n;
    if (n > 0 && (uint64_t)n > prior->prefix && prior->late.prefix == (uint64_t)n)
        add_mark(prior, prior->late.prefix, prior->late.chain);
}

void prior_outcome(prior_t *prior, const outcome_t *outcome)
{
    (void)bitset_set(&prior->known, outcome->index);
    if (outcome->kind == FANMAP_BAD_INPUT && outcome->attempts == 0)
        (void)bitset_set(&prior->bad, outcome->index);
    prior->failed |= prior->known.failed || prior->bad.failed;
}

/* ---- the items partitions ---- */

void prior_record(prior_t *prior, int32_t partition, int64_t offset, const void *key, size_t key_len, const void *value,
                  size_t value_len)
{
    item_t item;
    if (!text_is(key, key_len, prior->job))
        return;
    if (!item_decode(value, value_len, &item) || item.type != ITEM_RECORD || item.lane != 0)
        return;
    if (item.index < prior->prefix || item.index - prior->prefix >= JOBLOG_AHEAD_MAX ||
        (int32_t)place_item(prior->job_hash, prior->partitions, item.index) != partition)
        return;
    if (array_has_room(prior->items, prior->items_n, prior->items_cap, 64))
        prior->items[prior->items_n++] = (prior_item_t){item.index, prior_hash(item.in, item.in_len), offset};
    else
        prior->failed = true;
}

static int by_index(const void *a, const void *b)
{
    const prior_item_t *x = a, *y = b;
    if (x->index != y->index)
        return x->index < y->index ? -1 : 1;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

void prior_sort(prior_t *prior)
{
    if (prior->items_n > 1)
        qsort(prior->items, prior->items_n, sizeof *prior->items, by_index);
}

/* ---- comparing ---- */

const prior_item_t *prior_find(prior_t *prior, uint64_t index)
{
    while (prior->item_at < prior->items_n && prior->items[prior->item_at].index < index)
        prior->item_at++;
    const prior_item_t *item = &prior->items[prior->item_at];
    return prior->item_at < prior->items_n && item->index == index ? item : NULL;
}

uint64_t prior_end(const prior_t *prior)
{
    return prior->items_n > 0 ? prior->items[prior->items_n - 1].index + 1 : prior->prefix;
}

uint64_t prior_hash(const void *in, size_t in_len)
{
    return place_chain(0, in, in_len);
}

bool prior_compare(prior_t *prior, uint64_t n, uint64_t chain, uint64_t *ret_from)
{
    while (prior->mark_at < prior->marks_n && prior->marks[prior->mark_at].prefix < n)
        prior->mark_at++;
    const prior_mark_t *mark = &prior->marks[prior->mark_at];
    if (prior->mark_at == prior->marks_n || mark->prefix != n || mark->chain == chain)
        return true;
    *ret_from = prior->mark_at > 0 ? prior->marks[prior->mark_at - 1].prefix : 0;
    return false;
}
