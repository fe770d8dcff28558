#include "serve/summary.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "schemas/failure_groups.h"
#include "schemas/value.h"

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

static void put_counts(const summary_t *summary, buf_t *out)
{
    const char *comma = "";
    buf_printf(out,
               "\"known\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"retried\":%" PRIu64 ",\"head\":%" PRIu64
               ",\"items_end\":%" PRIu64 ",\"kinds\":{",
               summary->known, summary->known - summary->kinds[FANMAP_VALUE], summary->retried, summary->head,
               summary->items_end);
    for (int kind = 0; kind < KINDS; kind++) {
        if (summary->kinds[kind] == 0)
            continue;
        buf_printf(out, "%s\"%s\":%" PRIu64, comma, fanmap_kind_name((fanmap_kind_t)kind), summary->kinds[kind]);
        comma = ",";
    }
    buf_append_text(out, "},\"durations\":[");
    for (int i = 0; i < DURATIONS; i++)
        buf_printf(out, "%s%" PRIu64, i > 0 ? "," : "", summary->durations[i]);
    buf_append_text(out, "]");
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
static void put_cell(const summary_t *summary, uint64_t from, uint64_t to, buf_t *out)
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
    buf_printf(out, "[%" PRIu64 ",%" PRIu64 ",%" PRIu64 "]", to - from - n[ITEM_NONE], n[ITEM_RETRIED], n[ITEM_FAILED]);
}

static void put_grid(const summary_t *summary, uint64_t from, uint64_t to, unsigned bins, buf_t *out)
{
    uint64_t n = to > from ? to - from : 0;
    bins = bins > SUMMARY_BINS_MAX ? SUMMARY_BINS_MAX : bins;
    uint64_t width = bins > 0 ? (n + bins - 1) / bins : 0;
    buf_printf(out, ",\"grid\":{\"from\":%" PRIu64 ",\"to\":%" PRIu64 ",\"width\":%" PRIu64 ",\"cells\":[", from, to,
               width);
    for (uint64_t at = from; width > 0 && at < to; at += width) {
        if (at > from)
            buf_append(out, ",", 1);
        put_cell(summary, at, at + width < to ? at + width : to, out);
    }
    buf_append_text(out, "]}");
}

static void put_text(buf_t *out, const char *key, const char *text)
{
    buf_printf(out, "\"%s\":", key);
    json_put_string(out, text, strlen(text));
}

static void put_group(const failure_group_t *group, buf_t *out)
{
    buf_printf(out, "{\"group\":\"%s\",", group->name);
    put_text(out, "kind", fanmap_kind_name(group->kind));
    buf_append_text(out, ",");
    put_text(out, "type", group->type);
    buf_append_text(out, ",");
    put_text(out, "message", failure_message_of(group->key));
    buf_printf(out, ",\"count\":%" PRIu64 ",\"first\":%" PRIu64 ",\"last\":%" PRIu64 ",\"samples\":[", group->count,
               group->first, group->last);
    for (unsigned i = 0; i < group->samples_n; i++) {
        buf_printf(out, "%s{\"index\":%" PRIu64 ",", i > 0 ? "," : "", group->samples[i].index);
        put_text(out, "message", group->samples[i].message);
        buf_append_text(out, "}");
    }
    buf_append_text(out, "]}");
}

void summary_json(const summary_t *summary, uint64_t from, uint64_t to, unsigned bins, buf_t *out)
{
    const failure_group_t *sorted[FAILURE_GROUPS_MAX];
    size_t n = failure_groups_sorted(&summary->groups, sorted);
    put_counts(summary, out);
    put_grid(summary, from, to > ITEMS_MAX ? ITEMS_MAX : to, bins, out);
    buf_printf(out, ",\"ungrouped\":%" PRIu64 ",\"groups\":[", summary->groups.ungrouped);
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            buf_append(out, ",", 1);
        put_group(sorted[i], out);
    }
    buf_append_text(out, "]");
}
