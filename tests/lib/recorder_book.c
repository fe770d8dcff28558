#include "tests/lib/recorder.h"

#include <stdlib.h>
#include <string.h>

/* FNV-1a: short, and without the fall-throughs of uthash's own function. */
static unsigned fnv(const void *key, size_t len)
{
    unsigned h = 2166136261u;
    for (size_t i = 0; i < len; i++)
        h = (h ^ ((const unsigned char *)key)[i]) * 16777619u;
    return h;
}
#define HASH_FUNCTION(key, len, hash) (hash) = fnv(key, len)
#include <uthash.h>

/* Buckets of 1/8 of a power of two, from 1 us to beyond an hour: 12 % is close enough for a percentile. */
enum { SPREAD_BUCKETS = 8 * 33 };
typedef struct {
    uint64_t n, max;
    uint64_t bucket[SPREAD_BUCKETS];
} spread_t;

typedef struct {
    uint64_t at_us;
    char where[RECORDER_WHERE_MAX + 1];
} freed_t;

typedef struct job {
    char name[RECORDER_JOB_MAX + 1];
    uint64_t open, max, starts, indexes, overlaps, starts_max, attempts_max;
    spread_t same, other;
    freed_t *freed; /* a ring of `freed_room`, a power of two */
    size_t freed_at, freed_n, freed_room;
    UT_hash_handle hh;
} job_t;

typedef struct {
    job_t *job;
    uint64_t index;
} item_key_t;

struct recorder_item {
    item_key_t key;
    uint64_t open, starts;
    UT_hash_handle hh;
};

struct recorder {
    job_t *jobs;
    recorder_item_t *items;
    uint64_t open, max, starts, overlaps, bad;
};

static size_t spread_place(uint64_t us)
{
    if (us < 8)
        return (size_t)us;
    unsigned top = 63u - (unsigned)__builtin_clzll(us);
    size_t place = 8u * (top - 2u) + (size_t)((us >> (top - 3u)) & 7u);
    return place < SPREAD_BUCKETS ? place : SPREAD_BUCKETS - 1;
}

/* The smallest value beyond the bucket, so that a percentile is never flattered. */
static uint64_t spread_ceiling(size_t place)
{
    if (place < 8)
        return place;
    unsigned top = (unsigned)(place / 8u) + 2u;
    return ((place % 8u + 9u) << (top - 3u)) - 1u;
}

static void spread_add(spread_t *s, uint64_t us)
{
    s->n++;
    s->bucket[spread_place(us)]++;
    if (us > s->max)
        s->max = us;
}

static uint64_t spread_percentile(const spread_t *s, uint64_t percent)
{
    uint64_t seen = 0, wanted = (s->n * percent + 99) / 100;
    for (size_t i = 0; i < SPREAD_BUCKETS && s->n != 0; i++) {
        seen += s->bucket[i];
        if (seen >= wanted)
            return spread_ceiling(i) < s->max ? spread_ceiling(i) : s->max;
    }
    return s->max;
}

static bool freed_push(job_t *j, const char *where, uint64_t now_us)
{
    if (j->freed_n == j->freed_room) {
        size_t room = j->freed_room == 0 ? 64 : 2 * j->freed_room;
        freed_t *ring = calloc(room, sizeof *ring);
        if (ring == NULL)
            return false;
        for (size_t i = 0; i < j->freed_n; i++)
            ring[i] = j->freed[(j->freed_at + i) & (j->freed_room - 1)];
        free(j->freed);
        j->freed = ring;
        j->freed_at = 0;
        j->freed_room = room;
    }
    freed_t *f = &j->freed[(j->freed_at + j->freed_n++) & (j->freed_room - 1)];
    f->at_us = now_us;
    snprintf(f->where, sizeof f->where, "%s", where);
    return true;
}

static void freed_pop(job_t *j, const char *where, uint64_t now_us)
{
    if (j->freed_n == 0)
        return;
    const freed_t *f = &j->freed[j->freed_at];
    spread_add(strcmp(f->where, where) == 0 ? &j->same : &j->other, now_us - f->at_us);
    j->freed_at = (j->freed_at + 1) & (j->freed_room - 1);
    j->freed_n--;
}

bool recorder_parse(const char *text, recorder_line_t *ret_line)
{
    recorder_line_t line = {.where = ""};
    int end = -1;
    if (sscanf(text, "%128s %20lu %20lu%n %31s", line.job, &line.index, &line.attempt, &end, line.where) < 3 || end < 0)
        return false;
    for (const char *p = line.job; *p != '\0'; p++)
        if ((unsigned char)*p <= ' ' || *p == '"' || *p == '\\')
            return false;
    *ret_line = line;
    return true;
}

recorder_t *recorder_new(void)
{
    return calloc(1, sizeof(recorder_t));
}

static void forget(recorder_t *r, bool also_open)
{
    recorder_item_t *item, *next_item;
    HASH_ITER(hh, r->items, item, next_item)
    {
        if (item->open != 0 && !also_open)
            continue;
        HASH_DEL(r->items, item);
        free(item);
    }
    job_t *j, *next_job;
    HASH_ITER(hh, r->jobs, j, next_job)
    {
        if (j->open != 0 && !also_open)
            continue;
        HASH_DEL(r->jobs, j);
        free(j->freed);
        free(j);
    }
}

void recorder_free(recorder_t *r)
{
    if (r == NULL)
        return;
    forget(r, true);
    free(r);
}

void recorder_reset(recorder_t *r)
{
    forget(r, false);
    r->max = r->open;
    r->starts = r->overlaps = r->bad = 0;
    for (job_t *j = r->jobs; j != NULL; j = j->hh.next) {
        j->max = j->open;
        j->starts = j->indexes = j->overlaps = j->starts_max = j->attempts_max = 0;
        j->freed_n = 0;
        memset(&j->same, 0, sizeof j->same);
        memset(&j->other, 0, sizeof j->other);
    }
}

static job_t *job_of(recorder_t *r, const char *name)
{
    job_t *j = NULL;
    HASH_FIND_STR(r->jobs, name, j);
    if (j == NULL && (j = calloc(1, sizeof *j)) != NULL) {
        snprintf(j->name, sizeof j->name, "%s", name);
        HASH_ADD_STR(r->jobs, name, j);
    }
    return j;
}

static recorder_item_t *item_of(recorder_t *r, job_t *j, uint64_t index)
{
    item_key_t key;
    memset(&key, 0, sizeof key);
    key.job = j;
    key.index = index;
    recorder_item_t *item = NULL;
    HASH_FIND(hh, r->items, &key, sizeof key, item);
    if (item == NULL && (item = calloc(1, sizeof *item)) != NULL) {
        item->key = key;
        HASH_ADD(hh, r->items, key, sizeof key, item);
        j->indexes++;
    }
    return item;
}

recorder_item_t *recorder_open(recorder_t *r, const recorder_line_t *line, uint64_t now_us)
{
    job_t *j = job_of(r, line->job);
    recorder_item_t *item = j != NULL ? item_of(r, j, line->index) : NULL;
    if (item == NULL)
        return NULL;
    if (item->open++ != 0) {
        j->overlaps++;
        r->overlaps++;
    }
    item->starts++;
    r->starts++;
    j->starts++;
    if (item->starts > j->starts_max)
        j->starts_max = item->starts;
    if (line->attempt > j->attempts_max)
        j->attempts_max = line->attempt;
    if (++j->open > j->max)
        j->max = j->open;
    if (++r->open > r->max)
        r->max = r->open;
    freed_pop(j, line->where, now_us);
    return item;
}

void recorder_close(recorder_t *r, recorder_item_t *item, const char *where, uint64_t now_us)
{
    item->open--;
    item->key.job->open--;
    r->open--;
    if (!freed_push(item->key.job, where, now_us))
        r->bad++;
}

void recorder_bad(recorder_t *r)
{
    r->bad++;
}

static void report_spread(const char *name, const spread_t *s, FILE *out)
{
    fprintf(out, ",\"%s\":{\"n\":%lu,\"p50\":%lu,\"p99\":%lu,\"max\":%lu}", name, s->n, spread_percentile(s, 50),
            spread_percentile(s, 99), s->max);
}

void recorder_report(const recorder_t *r, FILE *out)
{
    fprintf(out, "{\"open\":%lu,\"max\":%lu,\"starts\":%lu,\"overlaps\":%lu,\"bad\":%lu,\"jobs\":{", r->open, r->max,
            r->starts, r->overlaps, r->bad);
    for (const job_t *j = r->jobs; j != NULL; j = j->hh.next) {
        fprintf(out,
                "%s\"%s\":{\"open\":%lu,\"max\":%lu,\"starts\":%lu,\"indexes\":%lu,\"overlaps\":%lu,\"starts_max\":%lu,"
                "\"attempts_max\":%lu",
                j == r->jobs ? "" : ",", j->name, j->open, j->max, j->starts, j->indexes, j->overlaps, j->starts_max,
                j->attempts_max);
        report_spread("refill_same_us", &j->same, out);
        report_spread("refill_other_us", &j->other, out);
        fputc('}', out);
    }
    fputs("}}\n", out);
    fflush(out);
}
