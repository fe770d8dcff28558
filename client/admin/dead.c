/* Dead letters, read in batches, so that what is put back and buried again meanwhile is not read again: the end is fixed
 * when a call begins. */
#include "client/admin/dead.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "client/admin/dead_stream.h"
#include "schemas/item.h"

enum { BATCH_N = 1000, BATCH_BYTES = 16 << 20 };

static void take_header(letter_t *letter, const bus_header_t *header)
{
    char text[DEAD_HEADER_MAX];
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
    DL_APPEND(d->first, letter);
    d->n++;
    d->bytes += record->key_len + record->value_len;
    d->query.is_done = d->n >= BATCH_N || d->bytes >= BATCH_BYTES;
}

void dead_end(dead_t *d)
{
    while (d->first) {
        letter_t *letter = d->first;
        DL_DELETE(d->first, letter);
        free(letter);
    }
    d->n = d->bytes = 0;
}

void dead_read_batch(dead_t *d)
{
    dead_end(d);
    int64_t low = query_read(&d->query, d->topic, 0, d->next, d->end, on_record, d);
    if (d->is_out_of_memory)
        query_out_of_memory(&d->query);
    if (low >= 0) /* retention was quicker */
        d->next = low;
    else if (d->n < BATCH_N && d->bytes < BATCH_BYTES)
        d->next = d->end;
}

void dead_begin(dead_t *d, fanmap_t *f, int timeout_ms, fanmap_error_t *err)
{
    query_begin(&d->query, f, timeout_ms, err);
    d->topic = query_dead(&d->query);
    d->end = query_end_of(&d->query, d->topic, 0);
    d->next = BUS_BEGIN;
    if (!options_is_set(d->filter, OPT_LETTER))
        return;
    d->next = (int64_t)options_count(d->filter, OPT_LETTER);
    if (d->query.result == FANMAP_OK && d->next >= d->end)
        d->query.result = err_set(err, FANMAP_EUSAGE, "there is no dead letter %" PRId64 " in namespace %s", d->next,
                                  f->namespace_name);
    d->end = d->next + 1;
}

bool dead_has_more(const dead_t *d)
{
    return d->query.result == FANMAP_OK && d->next < d->end && d->end > 0;
}

int fanmap_dead(fanmap_t *f, const fanmap_options_t *filter, int timeout_ms, fanmap_dead_fn fn, void *arg,
                fanmap_error_t *err)
{
    dead_t d = {.filter = filter};
    if (filter && options_is_set(filter, OPT_OF_STREAM))
        return dead_stream_list(f, filter, timeout_ms, fn, arg, err);
    dead_begin(&d, f, timeout_ms, err);
    while (dead_has_more(&d)) {
        dead_read_batch(&d);
        for (const letter_t *letter = d.first; d.query.result == FANMAP_OK && letter; letter = letter->next)
            fn(arg, &letter->told);
    }
    dead_end(&d);
    return query_end(&d.query);
}
