#include "serve/summary.h"

#include <stdlib.h>
#include <string.h>

#include "schemas/failure_groups.h"
#include "views/json.h"

/* A list has at most this many items (schemas/README.md); what claims to lie behind is counted and not drawn. */
enum {
    ITEMS_MAX = 1 << 24,
    PAGE_ITEMS = 1 << 16,
    PAGES = ITEMS_MAX / PAGE_ITEMS,
    WORD_ITEMS = 32,
    DURATIONS = 36,
    KINDS = 14
};
enum { ITEM_NONE, ITEM_VALUE, ITEM_RETRIED, ITEM_FAILED };

struct summary {
    uint64_t known, retried, kinds[KINDS], durations[DURATIONS];
    uint64_t items_end; /* behind the last that is known */
    uint64_t head;      /* the first that is not */
    uint8_t *pages[PAGES];
    failure_groups_t groups;
};

summary_t *summary_new(void)
{
    return calloc(1, sizeof(summary_t));
}

void summary_free(summary_t *summary)
{
    if (!summary)
        return;
    failure_groups_free(&summary->groups);
    for (int i = 0; i < PAGES; i++)
        free(summary->pages[i]);
    free(summary);
}

/* ---- items ---- */

static unsigned item_at(const summary_t *summary, uint64_t index)
{
    const uint8_t *page = index < ITEMS_MAX ? summary->pages[index / PAGE_ITEMS] : NULL;
    uint64_t at = index % PAGE_ITEMS;
    return page ? ((unsigned)page[at / 4] >> (at % 4 * 2)) & 3u : ITEM_NONE;
}

static void mark_item(summary_t *summary, uint64_t index, unsigned mark)
{
    if (index >= ITEMS_MAX)
        return;
    uint8_t **page = &summary->pages[index / PAGE_ITEMS];
    uint64_t at = index % PAGE_ITEMS;
    if (!*page && !(*page = calloc(1, PAGE_ITEMS / 4)))
        return;
    (*page)[at / 4] |= (uint8_t)(mark << (at % 4 * 2));
    if (summary->items_end <= index)
        summary->items_end = index + 1;
    while (item_at(summary, summary->head) != ITEM_NONE)
        summary->head++;
}

/* Bucket i holds [2^i, 2^(i+1)) microseconds, the first also 0. */
static unsigned bucket_of(uint64_t us)
{
    unsigned bucket = 0;
    while (us > 1 && bucket < DURATIONS - 1) {
        us /= 2;
        bucket++;
    }
    return bucket;
}

void summary_add(summary_t *summary, const fanmap_outcome_t *outcome)
{
    bool has_failed = outcome->kind != FANMAP_VALUE, is_retried = outcome->attempts > 1;
    summary->known++;
    summary->retried += is_retried ? outcome->attempts - 1 : 0;
    summary->kinds[(unsigned)outcome->kind < KINDS ? outcome->kind : 0]++;
    if (outcome->attempts > 0)
        summary->durations[bucket_of(outcome->run_us)]++;
    mark_item(summary, outcome->index, has_failed ? ITEM_FAILED : is_retried ? ITEM_RETRIED : ITEM_VALUE);
    if (has_failed)
        failure_groups_add(&summary->groups, outcome->index, outcome->kind, outcome->type, outcome->message);
}

uint64_t summary_known(const summary_t *summary)
{
    return summary->known;
}

uint64_t summary_items_end(const summary_t *summary)
{
    return summary->items_end;
}

/* ---- as JSON ---- */

static void put_counts(const summary_t *summary, json_t *json)
{
    json_count(json, "known", summary->known);
    json_count(json, "failed", summary->known - summary->kinds[FANMAP_VALUE]);
    json_count(json, "retried", summary->retried);
    json_count(json, "head", summary->head);
    json_count(json, "items_end", summary->items_end);
    json_open(json, "kinds", '{');
    for (int kind = 0; kind < KINDS; kind++)
        if (summary->kinds[kind] > 0)
            json_count(json, fanmap_kind_name((fanmap_kind_t)kind), summary->kinds[kind]);
    json_close(json, '}');
    json_open(json, "durations", '[');
    for (int i = 0; i < DURATIONS; i++)
        json_count(json, NULL, summary->durations[i]);
    json_close(json, ']');
}

/* Of the WORD_ITEMS from `from` on, which is a multiple of that. */
static void count_word(const summary_t *summary, uint64_t from, uint64_t n[4])
{
    const uint64_t low_bits = 0x5555555555555555u;
    const uint8_t *page = summary->pages[from / PAGE_ITEMS];
    uint64_t word = 0;
    if (page)
        memcpy(&word, page + from % PAGE_ITEMS / 4, sizeof word);
    uint64_t low = word & low_bits, high = (word >> 1) & low_bits;
    unsigned failed = (unsigned)__builtin_popcountll(low & high), value = (unsigned)__builtin_popcountll(low) - failed;
    unsigned retried = (unsigned)__builtin_popcountll(high) - failed;
    n[ITEM_FAILED] += failed;
    n[ITEM_VALUE] += value;
    n[ITEM_RETRIED] += retried;
    n[ITEM_NONE] += WORD_ITEMS - failed - value - retried;
}

/* Each cell: how many of its items are done, retried of these, failed of these. */
static void put_cell(const summary_t *summary, uint64_t from, uint64_t to, json_t *json)
{
    uint64_t n[4] = {0};
    uint64_t known_to = to < summary->items_end ? to : summary->items_end, i = from;
    while (i < known_to) {
        bool is_word = i % WORD_ITEMS == 0 && known_to - i >= WORD_ITEMS && i < ITEMS_MAX;
        if (is_word)
            count_word(summary, i, n);
        else
            n[item_at(summary, i)]++;
        i += is_word ? WORD_ITEMS : 1;
    }
    n[ITEM_NONE] += to - (known_to > from ? known_to : from);
    json_open(json, NULL, '[');
    json_count(json, NULL, to - from - n[ITEM_NONE]);
    json_count(json, NULL, n[ITEM_RETRIED]);
    json_count(json, NULL, n[ITEM_FAILED]);
    json_close(json, ']');
}

static void put_grid(const summary_t *summary, uint64_t from, uint64_t to, unsigned bins, json_t *json)
{
    uint64_t n = to > from ? to - from : 0;
    bins = bins > SUMMARY_BINS_MAX ? SUMMARY_BINS_MAX : bins;
    uint64_t width = bins > 0 ? (n + bins - 1) / bins : 0;
    json_open(json, "grid", '{');
    json_count(json, "from", from);
    json_count(json, "to", to);
    json_count(json, "width", width);
    json_open(json, "cells", '[');
    for (uint64_t at = from; width > 0 && at < to; at += width)
        put_cell(summary, at, at + width < to ? at + width : to, json);
    json_close(json, ']');
    json_close(json, '}');
}

static void put_group(const failure_group_t *group, json_t *json)
{
    json_open(json, NULL, '{');
    json_text(json, "group", group->name);
    json_text(json, "kind", fanmap_kind_name(group->kind));
    json_text(json, "type", group->type);
    json_text(json, "message", failure_message_of(group->key));
    json_count(json, "count", group->count);
    json_count(json, "first", group->first);
    json_count(json, "last", group->last);
    json_open(json, "samples", '[');
    for (unsigned i = 0; i < group->samples_n; i++) {
        json_open(json, NULL, '{');
        json_count(json, "index", group->samples[i].index);
        json_text(json, "message", group->samples[i].message);
        json_close(json, '}');
    }
    json_close(json, ']');
    json_close(json, '}');
}

void summary_json(const summary_t *summary, uint64_t from, uint64_t to, unsigned bins, buf_t *out)
{
    const failure_group_t *sorted[FAILURE_GROUPS_MAX];
    size_t n = failure_groups_sorted(&summary->groups, sorted);
    json_t json = {.out = out};
    put_counts(summary, &json);
    put_grid(summary, from, to > ITEMS_MAX ? ITEMS_MAX : to, bins, &json);
    json_count(&json, "ungrouped", summary->groups.ungrouped);
    json_open(&json, "groups", '[');
    for (size_t i = 0; i < n; i++)
        put_group(sorted[i], &json);
    json_close(&json, ']');
}
