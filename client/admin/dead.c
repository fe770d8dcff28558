/* Dead letters: listed, and put back. They are read in batches, so that what is put back and buried again meanwhile is
 * not read again: the end is fixed when a call begins. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/table.h"
#include "client/admin/query.h"
#include "schemas/item.h"

enum { BATCH_N = 1000, BATCH_BYTES = 16 << 20, HEADER_MAX = 256, NAME_OF_KNOWN_MAX = HEADER_MAX + 64 };

/* One letter, copied. */
typedef struct letter letter_t;
struct letter {
    letter_t *next;
    fanmap_dead_t told;
    char topic[HEADER_MAX], reason[HEADER_MAX], stage[HEADER_MAX], job[JOB_ID_MAX + 1];
    uint8_t bytes[]; /* key, then value */
};

/* A job that was looked up, or an origin that was put back. */
typedef struct {
    char name[NAME_OF_KNOWN_MAX];
    bool is_running;
    UT_hash_handle hh;
} known_t;

typedef struct {
    query_t query;
    const fanmap_options_t *filter;
    bus_topic_t *dead;
    int64_t next, end;
    letter_t *first, **last;
    size_t n, bytes;
    bool is_out_of_memory;
    /* replaying */
    known_t *jobs, *origins;
    fanmap_dead_refused_fn on_refused;
    void *arg;
    uint64_t sent;
} dead_t;

/* ---- reading ---- */

static void take_header(letter_t *letter, const bus_header_t *header)
{
    char text[HEADER_MAX];
    int len = header->value_len < sizeof text ? (int)header->value_len : (int)sizeof text - 1;
    snprintf(text, sizeof text, "%.*s", header->value ? len : 0, header->value ? (const char *)header->value : "");
    if (strcmp(header->name, "fanmap.topic") == 0)
        snprintf(letter->topic, sizeof letter->topic, "%s", text);
    else if (strcmp(header->name, "fanmap.partition") == 0)
        letter->told.origin_partition = (int32_t)strtol(text, NULL, 10);
    else if (strcmp(header->name, "fanmap.offset") == 0)
        letter->told.origin_offset = strtoll(text, NULL, 10);
    else if (strcmp(header->name, "fanmap.reason") == 0)
        snprintf(letter->reason, sizeof letter->reason, "%s", text);
    else if (strcmp(header->name, "fanmap.stage") == 0)
        snprintf(letter->stage, sizeof letter->stage, "%s", text);
}

static void tell_what_it_is(letter_t *letter)
{
    fanmap_dead_t *told = &letter->told;
    item_t item;
    if (told->key_len > 0 && told->key_len <= JOB_ID_MAX && !memchr(told->key, '\0', told->key_len)) {
        memcpy(letter->job, told->key, told->key_len);
        if (!job_id_valid(letter->job))
            letter->job[0] = '\0';
    }
    told->is_item = item_decode(told->value, told->value_len, &item) && item.type == ITEM_RECORD;
    told->index = told->is_item ? item.index : 0;
    told->topic = letter->topic;
    told->reason = letter->reason;
    told->stage = letter->stage;
    told->job = letter->job;
}

static letter_t *letter_new(const bus_record_t *record)
{
    letter_t *letter = calloc(1, sizeof *letter + record->key_len + record->value_len);
    if (!letter)
        return NULL;
    letter->told = (fanmap_dead_t){.offset = record->offset,
                                   .at_ms = record->timestamp_ms,
                                   .origin_partition = -1,
                                   .origin_offset = -1,
                                   .key_len = record->key_len,
                                   .value_len = record->value_len};
    if (record->key) {
        memcpy(letter->bytes, record->key, record->key_len);
        letter->told.key = letter->bytes;
    }
    if (record->value) {
        memcpy(letter->bytes + record->key_len, record->value, record->value_len);
        letter->told.value = letter->bytes + record->key_len;
    }
    for (size_t i = 0; i < record->headers_n; i++)
        take_header(letter, &record->headers[i]);
    tell_what_it_is(letter);
    return letter;
}

static bool is_wanted(const dead_t *d, const letter_t *letter)
{
    const char *job = options_text(d->filter, OPT_JOB);
    return !job || strcmp(job, letter->job) == 0;
}

static void on_record(void *arg, const bus_record_t *record)
{
    dead_t *d = arg;
    letter_t *letter = letter_new(record);
    d->next = record->offset + 1;
    d->is_out_of_memory |= !letter;
    if (!letter || !is_wanted(d, letter)) {
        free(letter);
        return;
    }
    *d->last = letter;
    d->last = &letter->next;
    d->n++;
    d->bytes += record->key_len + record->value_len;
    d->query.is_done = d->n >= BATCH_N || d->bytes >= BATCH_BYTES;
}

static void drop_batch(dead_t *d)
{
    while (d->first) {
        letter_t *letter = d->first;
        d->first = letter->next;
        free(letter);
    }
    d->last = &d->first;
    d->n = d->bytes = 0;
}

static int read_batch(dead_t *d, fanmap_error_t *err)
{
    int64_t low = -1;
    drop_batch(d);
    int r = query_read(&d->query, d->dead, 0, d->next, d->end, on_record, d, &low, err);
    if (r == FANMAP_ELOST && low > d->next) { /* retention was quicker */
        d->next = low;
        return FANMAP_OK;
    }
    if (r == FANMAP_OK && d->is_out_of_memory)
        r = err_set(err, FANMAP_ENOMEM, "out of memory for dead letters");
    if (r == FANMAP_OK && d->n < BATCH_N && d->bytes < BATCH_BYTES)
        d->next = d->end;
    return r;
}

static int begin(dead_t *d, fanmap_t *f, int timeout_ms, fanmap_error_t *err)
{
    d->last = &d->first;
    int r = query_begin(&d->query, f, timeout_ms, err);
    if (r == FANMAP_OK)
        r = query_dead(&d->query, &d->dead, err);
    if (r == FANMAP_OK)
        r = query_end(&d->query, d->dead, 0, &d->end, err);
    d->next = BUS_BEGIN;
    if (options_is_set(d->filter, OPT_LETTER)) {
        d->next = (int64_t)options_count(d->filter, OPT_LETTER);
        if (r == FANMAP_OK && d->next >= d->end)
            r = err_set(err, FANMAP_EUSAGE, "there is no dead letter %" PRId64 " in namespace %s", d->next,
                        f->namespace_name);
        d->end = d->next + 1;
    }
    return r;
}

int fanmap_dead(fanmap_t *f, const fanmap_options_t *filter, int timeout_ms, fanmap_dead_fn fn, void *arg,
                fanmap_error_t *err)
{
    dead_t d = {.filter = filter};
    int r = begin(&d, f, timeout_ms, err);
    while (r == FANMAP_OK && d.next < d.end && d.end > 0) {
        r = read_batch(&d, err);
        for (const letter_t *letter = d.first; r == FANMAP_OK && letter; letter = letter->next)
            fn(arg, &letter->told);
    }
    drop_batch(&d);
    client_mark(f);
    return r;
}

/* ---- putting back ---- */

static known_t *known_find(known_t *table, const char *name)
{
    known_t *known = NULL;
    HASH_FIND_STR(table, name, known);
    return known;
}

static known_t *known_add(dead_t *d, known_t **table, const char *name)
{
    known_t *known = calloc(1, sizeof *known);
    if (known) {
        snprintf(known->name, sizeof known->name, "%s", name);
        HASH_ADD_STR(*table, name, known);
        if (table_added(known))
            return known;
    }
    free(known);
    d->is_out_of_memory = true;
    return NULL;
}

static void known_free(known_t **table)
{
    known_t *known, *next;
    HASH_ITER(hh, *table, known, next)
    {
        HASH_DEL(*table, known);
        free(known);
    }
}

static int is_running(dead_t *d, const char *job, bool *ret, fanmap_error_t *err)
{
    lookup_result_t seen;
    queue_t *queue;
    known_t *known = known_find(d->jobs, job);
    if (!known) {
        int r = query_queue(&d->query, NULL, NULL, &queue, err);
        if (r == FANMAP_OK)
            r = query_job(&d->query, queue, job, &seen, err);
        if (r != FANMAP_OK)
            return r;
        known = known_add(d, &d->jobs, job);
        if (!known)
            return err_set(err, FANMAP_ENOMEM, "out of memory");
        known->is_running = seen.view.is_known && !seen.view.has_end;
    }
    *ret = known->is_running;
    return FANMAP_OK;
}

typedef struct {
    char queue[NAME_MAX_LEN + 1], task[TASK_NAME_MAX + 1];
} home_t;

/* False: it stood on no items topic of ours. */
static bool find_home(const dead_t *d, const letter_t *letter, home_t *ret)
{
    return name_items_parse(letter->topic, d->query.f->namespace_name, ret->queue, ret->task);
}

/* *ret_why: why it stays; NULL: it may go. */
static int judge(dead_t *d, const letter_t *letter, const char **ret_why, fanmap_error_t *err)
{
    bool runs = true;
    home_t home;
    *ret_why = NULL;
    if (letter->told.origin_partition < 0 || letter->topic[0] == '\0')
        *ret_why = "it does not say where it stood";
    else if (!find_home(d, letter, &home))
        *ret_why = "it stood on no items topic of this namespace";
    if (*ret_why || options_switch(d->filter, OPT_FORCE))
        return FANMAP_OK;
    if (letter->job[0] == '\0' || !letter->told.is_item) {
        *ret_why = "it is no item, and workers would bury it again (--force)";
        return FANMAP_OK;
    }
    int r = is_running(d, letter->job, &runs, err);
    if (r == FANMAP_OK && !runs)
        *ret_why = "its job is not running: workers would bury it again, or drop it (--force)";
    return r;
}

static int put_back(dead_t *d, const letter_t *letter, fanmap_error_t *err)
{
    char origin[NAME_OF_KNOWN_MAX];
    queue_t *queue;
    home_t home = {0};
    (void)find_home(d, letter, &home);
    snprintf(origin, sizeof origin, "%s %d %" PRId64, letter->topic, letter->told.origin_partition,
             letter->told.origin_offset);
    if (known_find(d->origins, origin))
        return FANMAP_OK;
    if (!known_add(d, &d->origins, origin))
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    const fanmap_dead_t *told = &letter->told;
    int r = query_queue(&d->query, home.queue, home.task, &queue, err);
    if (r == FANMAP_OK && (uint32_t)letter->told.origin_partition >= queue->items_n)
        r = err_set(err, FANMAP_EUSAGE, "dead letter %" PRId64 ": topic %s has no partition %d", letter->told.offset,
                    letter->topic, letter->told.origin_partition);
    if (r == FANMAP_OK)
        r = query_put(&d->query, queue, TOPIC_ITEMS, told->origin_partition, told->key, told->key_len, told->value,
                      told->value_len, err);
    d->sent += r == FANMAP_OK;
    return r;
}

static int replay_batch(dead_t *d, fanmap_error_t *err)
{
    int r = read_batch(d, err);
    for (const letter_t *letter = d->first; r == FANMAP_OK && letter; letter = letter->next) {
        const char *why;
        r = judge(d, letter, &why, err);
        if (r == FANMAP_OK && !why)
            r = put_back(d, letter, err);
        else if (r == FANMAP_OK && d->on_refused)
            d->on_refused(d->arg, &letter->told, why);
    }
    return r == FANMAP_OK ? query_stored(&d->query, err) : r;
}

int fanmap_dead_replay(fanmap_t *f, const fanmap_options_t *filter, int timeout_ms, fanmap_dead_refused_fn on_refused,
                       void *arg, uint64_t *ret_n, fanmap_error_t *err)
{
    dead_t d = {.filter = filter, .on_refused = on_refused, .arg = arg};
    int r = begin(&d, f, timeout_ms, err);
    while (r == FANMAP_OK && d.next < d.end && d.end > 0)
        r = replay_batch(&d, err);
    if (r == FANMAP_OK)
        *ret_n = d.sent;
    query_finish(&d.query);
    drop_batch(&d);
    known_free(&d.jobs);
    known_free(&d.origins);
    client_mark(f);
    return r;
}
