/* Records go in as they are found, in any order of partitions; items are sorted once all were read and then asked for
 * by index. The marks of the hash chain are thinned out when there are too many: every second one goes, and the rest
 * still bound what can differ. */
#include "producer/resume.h"

#include <stdlib.h>
#include <string.h>

#include "schemas/item.h"
#include "schemas/place.h"

bool resume_init(resume_t *resume, const char *job, uint32_t partitions)
{
    *resume = (resume_t){.partitions = partitions, .total = -1, .job_hash = place_job_hash(job)};
    memcpy(resume->job, job, strnlen(job, JOB_ID_MAX));
    resume->offsets = malloc(partitions * sizeof *resume->offsets);
    if (!resume->offsets)
        return false;
    for (uint32_t p = 0; p < partitions; p++)
        resume->offsets[p] = -1;
    return true;
}

void resume_free(resume_t *resume)
{
    free(resume->offsets);
    free(resume->marks);
    free(resume->items);
    bitset_free(&resume->known);
    bitset_free(&resume->bad);
    *resume = (resume_t){0};
}

/* ---- the log ---- */

static void thin_marks(resume_t *resume)
{
    size_t kept = 0;
    for (size_t i = 1; i < resume->marks_n; i += 2)
        resume->marks[kept++] = resume->marks[i];
    resume->marks_n = kept;
}

static bool grow(void **at, size_t *cap, size_t size)
{
    size_t wanted = *cap ? *cap * 2 : 64;
    void *grown = realloc(*at, wanted * size);
    if (!grown)
        return false;
    *at = grown;
    *cap = wanted;
    return true;
}

static void add_mark(resume_t *resume, uint64_t prefix, uint64_t chain)
{
    if (resume->marks_n == RESUME_MARKS_MAX)
        thin_marks(resume);
    if (resume->marks_n == resume->marks_cap &&
        !grow((void **)&resume->marks, &resume->marks_cap, sizeof *resume->marks)) {
        resume->failed = true;
        return;
    }
    resume->marks[resume->marks_n++] = (resume_mark_t){prefix, chain};
}

void resume_progress(resume_t *resume, const progress_t *progress)
{
    bool is_first = resume->marks_n == 0;
    if (progress->partitions != resume->partitions || progress->prefix < resume->prefix)
        return;
    for (uint32_t p = 0; p < resume->partitions; p++) {
        int64_t offset;
        if (joblog_progress_offset(progress, p, &offset) && offset >= 0)
            resume->offsets[p] = offset;
    }
    if (progress->prefix > resume->prefix || is_first)
        add_mark(resume, progress->prefix, progress->chain);
    resume->prefix = progress->prefix;
    resume->chain = progress->chain;
}

void resume_outcome(resume_t *resume, const outcome_t *outcome)
{
    (void)bitset_set(&resume->known, outcome->index);
    if (outcome->kind == FANMAP_BAD_INPUT && outcome->attempts == 0)
        (void)bitset_set(&resume->bad, outcome->index);
    resume->failed |= resume->known.failed || resume->bad.failed;
}

/* ---- the items partitions ---- */

void resume_record(resume_t *resume, int32_t partition, int64_t offset, const void *key, size_t key_len,
                   const void *value, size_t value_len)
{
    item_t item;
    if (key_len != strlen(resume->job) || memcmp(key, resume->job, key_len) != 0)
        return;
    if (!item_decode(value, value_len, &item) || item.type != ITEM_RECORD || item.lane != 0)
        return;
    if (item.index < resume->prefix || item.index - resume->prefix >= JOBLOG_AHEAD_MAX ||
        (int32_t)place_item(resume->job_hash, resume->partitions, item.index) != partition)
        return;
    if (resume->items_n == resume->items_cap &&
        !grow((void **)&resume->items, &resume->items_cap, sizeof *resume->items)) {
        resume->failed = true;
        return;
    }
    resume->items[resume->items_n++] = (resume_item_t){item.index, resume_hash(item.in, item.in_len), offset};
}

static int by_index(const void *a, const void *b)
{
    const resume_item_t *x = a, *y = b;
    if (x->index != y->index)
        return x->index < y->index ? -1 : 1;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

void resume_sort(resume_t *resume)
{
    if (resume->items_n > 1)
        qsort(resume->items, resume->items_n, sizeof *resume->items, by_index);
}

/* ---- comparing ---- */

const resume_item_t *resume_find(resume_t *resume, uint64_t index)
{
    while (resume->item_at < resume->items_n && resume->items[resume->item_at].index < index)
        resume->item_at++;
    const resume_item_t *item = &resume->items[resume->item_at];
    return resume->item_at < resume->items_n && item->index == index ? item : NULL;
}

uint64_t resume_end(const resume_t *resume)
{
    return resume->items_n > 0 ? resume->items[resume->items_n - 1].index + 1 : resume->prefix;
}

uint64_t resume_hash(const void *in, size_t in_len)
{
    return place_chain(0, in, in_len);
}

bool resume_compare(resume_t *resume, uint64_t n, uint64_t chain, uint64_t *ret_from)
{
    while (resume->mark_at < resume->marks_n && resume->marks[resume->mark_at].prefix < n)
        resume->mark_at++;
    const resume_mark_t *mark = &resume->marks[resume->mark_at];
    if (resume->mark_at == resume->marks_n || mark->prefix != n || mark->chain == chain)
        return true;
    *ret_from = resume->mark_at > 0 ? resume->marks[resume->mark_at - 1].prefix : 0;
    return false;
}
