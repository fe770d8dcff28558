/* The records of a job's log as arrays: version, type, fields. Decoding borrows from the record and copies nothing;
 * the outcomes of a pack are read one by one, and a bad one ends the pack there. */
#include "schemas/joblog.h"

#include <string.h>

#include "schemas/mp_fields.h"

enum {
    JOBLOG_VERSION = 1,
    OUTCOME_VALUE_FIELDS = 5,
    OUTCOME_ERROR_FIELDS = 9,
    ERROR_FIELDS_MAX = 6,
    PACK_HEAD_FIELDS = 3,
    PACK_TAIL_FIELDS = 2
};

/* What an error has behind the fields of every outcome. */
MP_TABLE(error_fields, ERROR_FIELDS_MAX, MP_STR_OF(outcome_t, type, type_len),
         MP_STR_OF(outcome_t, message, message_len), MP_I32(outcome_t, exit_status), MP_I32(outcome_t, signo),
         MP_BIN_OF(outcome_t, stderr_tail, stderr_len), MP_BIN_OF(outcome_t, stdout_tail, stdout_len));

static void put_head(buf_t *b, uint32_t fields, joblog_type_t type)
{
    mp_put_array(b, fields);
    mp_put_uint(b, JOBLOG_VERSION);
    mp_put_uint(b, type);
}

void joblog_encode_start(buf_t *b, const spec_t *spec)
{
    put_head(b, 3, JOBLOG_START);
    spec_encode(b, spec);
}

void joblog_encode_progress(buf_t *b, const progress_t *progress, const int64_t *offsets)
{
    put_head(b, 6, JOBLOG_PROGRESS);
    mp_put_uint(b, progress->prefix);
    mp_put_uint(b, progress->chain);
    mp_put_text(b, progress->producer);
    mp_put_array(b, progress->partitions);
    for (uint32_t i = 0; i < progress->partitions; i++)
        mp_put_int(b, offsets[i]);
}

void joblog_encode_input(buf_t *b, uint64_t n, const char *error)
{
    put_head(b, 4, JOBLOG_INPUT);
    mp_put_uint(b, n);
    mp_put_text(b, error ? error : "");
}

void joblog_encode_end(buf_t *b, end_reason_t reason)
{
    put_head(b, 3, JOBLOG_END);
    mp_put_uint(b, reason);
}

void joblog_encode_producer(buf_t *b, const char *producer)
{
    put_head(b, 3, JOBLOG_PRODUCER);
    mp_put_text(b, producer);
}

void joblog_put_outcome(buf_t *body, const outcome_t *o)
{
    enum { NUMBERS = 4 };
    bool is_value = o->kind == FANMAP_VALUE;
    size_t value_len = is_value ? o->value_len : 0;
    mp_put_array(body, is_value ? OUTCOME_VALUE_FIELDS : OUTCOME_ERROR_FIELDS + (o->stdout_len > 0));
    uint8_t *at = buf_reserve(body, NUMBERS * MP_NUMBER_MAX + value_len);
    if (at == NULL)
        return;
    at = mp_number(at, o->index);
    at = mp_number(at, o->attempts);
    at = mp_number(at, o->kind);
    at = mp_number(at, o->run_us);
    if (value_len > 0)
        memcpy(at, o->value, value_len);
    body->len = (size_t)(at - body->data) + value_len;
    if (!is_value)
        mp_put_fields(body, error_fields, ERROR_FIELDS_MAX - (o->stdout_len == 0), o);
}

void joblog_encode_pack(buf_t *b, const void *body, size_t body_len, uint32_t count)
{
    put_head(b, PACK_HEAD_FIELDS + count, JOBLOG_OUTCOMES);
    mp_put_uint(b, count);
    buf_append(b, body, body_len);
}

void joblog_put_wait(buf_t *waits, const outcome_t *outcome)
{
    if (outcome->has_wait)
        mp_put_uint(waits, outcome->wait_ms);
    else
        mp_put_nil(waits);
}

void joblog_encode_worker_pack(buf_t *b, const buf_t *body, uint32_t count, const char *worker, const buf_t *waits)
{
    put_head(b, PACK_HEAD_FIELDS + count + PACK_TAIL_FIELDS, JOBLOG_OUTCOMES);
    mp_put_uint(b, count);
    buf_append(b, body->data, body->len);
    mp_put_text(b, worker);
    mp_put_array(b, count);
    buf_append(b, waits->data, waits->len);
}

/* What stands before the value or the error. Returns how many fields the entry has. */
static uint32_t read_entry_head(mp_reader_t *r, outcome_t *ret, uint32_t *ret_known)
{
    uint32_t fields = mp_read_array(r);
    ret->index = mp_read_uint(r);
    uint64_t attempts = mp_read_uint(r), kind = mp_read_uint(r);
    ret->run_us = mp_read_uint(r);
    *ret_known = kind == FANMAP_VALUE ? OUTCOME_VALUE_FIELDS : OUTCOME_ERROR_FIELDS + (fields > OUTCOME_ERROR_FIELDS);
    r->bad = r->bad || fields < *ret_known || attempts > UINT32_MAX || kind > FANMAP_LOST;
    ret->attempts = (uint32_t)attempts;
    ret->kind = (fanmap_kind_t)kind;
    return fields;
}

/* What is neither a number nor nil says nothing of those behind it either. */
static bool next_wait(joblog_record_t *record, uint64_t *ret_ms)
{
    mp_reader_t *r = &record->waits;
    if (record->waits_left == 0)
        return false;
    record->waits_left--;
    if (mp_read_nil_if(r))
        return false;
    uint64_t wait_ms = mp_read_uint(r);
    if (r->bad)
        record->waits_left = 0;
    else
        *ret_ms = wait_ms;
    return !r->bad;
}

bool joblog_take_entry(mp_reader_t *r, outcome_t *ret)
{
    outcome_t o = {.entry = r->at};
    uint32_t known, fields = read_entry_head(r, &o, &known);
    if (r->bad)
        return false;
    if (o.kind == FANMAP_VALUE)
        o.value = mp_skip(r, &o.value_len);
    else
        mp_read_fields(r, error_fields, known - (OUTCOME_VALUE_FIELDS - 1), &o);
    o.entry_len = (size_t)(r->at - o.entry); /* without fields that we do not know */
    mp_skip_fields(r, fields - known);
    if (r->bad)
        return false;
    *ret = o;
    return true;
}

bool joblog_next_outcome(joblog_record_t *record, outcome_t *ret)
{
    mp_reader_t *r = &record->outcomes;
    uint64_t wait_ms = 0;
    if (record->outcomes_left == 0 || r->bad)
        return false;
    record->outcomes_left--;
    bool has_wait = next_wait(record, &wait_ms);
    if (!joblog_take_entry(r, ret))
        return false;
    ret->worker = record->worker;
    ret->worker_len = record->worker_len;
    ret->has_wait = has_wait;
    ret->wait_ms = wait_ms;
    return true;
}

const void *joblog_entry(const outcome_t *outcome, buf_t *scratch, size_t *ret_len)
{
    if (outcome->entry) {
        *ret_len = outcome->entry_len;
        return outcome->entry;
    }
    buf_clear(scratch);
    joblog_put_outcome(scratch, outcome);
    *ret_len = scratch->len;
    return scratch->failed ? NULL : scratch->data;
}

bool joblog_read_entry(const void *entry, size_t len, outcome_t *ret)
{
    outcome_t o = {.entry = entry, .entry_len = len};
    mp_reader_t r;
    uint32_t known;
    mp_reader_init(&r, entry, len);
    (void)read_entry_head(&r, &o, &known);
    if (!r.bad && o.kind == FANMAP_VALUE) {
        o.value = r.at;
        o.value_len = (size_t)(r.end - r.at);
    } else if (!r.bad) {
        mp_read_fields(&r, error_fields, known - (OUTCOME_VALUE_FIELDS - 1), &o);
    }
    if (r.bad)
        return false;
    *ret = o;
    return true;
}

/* Whatever stands there, the outcomes count: these are for people. Returns how many fields were read. */
static uint32_t read_pack_tail(mp_reader_t *r, uint32_t fields, joblog_record_t *record)
{
    bool has_worker = fields > 0 && mp_peek(r) == MP_STR, has_waits;
    if (!has_worker)
        return 0;
    record->worker = mp_read_str(r, &record->worker_len);
    has_waits = fields > 1 && mp_peek(r) == MP_ARRAY;
    if (!has_waits)
        return 1;
    record->waits = *r;
    record->waits_left = mp_read_array(&record->waits);
    mp_skip_fields(r, 1);
    return PACK_TAIL_FIELDS;
}

/* The frame must be sound as a whole before any outcome in it counts: each entry an array of sound objects. */
static uint32_t read_pack(mp_reader_t *r, uint32_t fields, joblog_record_t *record)
{
    uint64_t count = mp_read_uint(r);
    if (r->bad || count > fields - PACK_HEAD_FIELDS) {
        r->bad = true;
        return fields;
    }
    record->outcomes = *r;
    record->outcomes_left = (uint32_t)count;
    for (uint32_t i = 0; i < record->outcomes_left && !r->bad; i++)
        mp_skip_fields(r, mp_read_array(r));
    return PACK_HEAD_FIELDS + (uint32_t)count +
           (r->bad ? 0 : read_pack_tail(r, fields - PACK_HEAD_FIELDS - (uint32_t)count, record));
}

static void read_progress(mp_reader_t *r, progress_t *progress)
{
    progress->prefix = mp_read_uint(r);
    progress->chain = mp_read_uint(r);
    mp_read_text(r, progress->producer, sizeof progress->producer);
    progress->partitions = mp_read_array(r);
    progress->offsets = r->at;
    for (uint32_t i = 0; i < progress->partitions && !r->bad; i++)
        mp_read_int(r);
    progress->offsets_len = (size_t)(r->at - progress->offsets);
}

static void read_input(mp_reader_t *r, joblog_record_t *record)
{
    record->input_n = mp_read_uint(r);
    record->input_error = mp_read_str(r, &record->input_error_len);
}

static void read_end(mp_reader_t *r, joblog_record_t *record)
{
    uint64_t reason = mp_read_uint(r);
    r->bad = r->bad || reason < END_CANCEL || reason > END_INPUT_ERROR;
    record->end_reason = (end_reason_t)reason;
}

/* Returns how many fields of the record were read, those of the head included. */
static uint32_t read_body(mp_reader_t *r, uint32_t fields, joblog_record_t *record)
{
    switch (record->type) {
    case JOBLOG_START:
        r->bad = !spec_read(r, &record->start) || r->bad;
        return 3;
    case JOBLOG_OUTCOMES:
        return read_pack(r, fields, record);
    case JOBLOG_PROGRESS:
        read_progress(r, &record->progress);
        return 6;
    case JOBLOG_INPUT:
        read_input(r, record);
        return 4;
    case JOBLOG_END:
        read_end(r, record);
        return 3;
    case JOBLOG_PRODUCER:
        mp_read_text(r, record->producer, sizeof record->producer);
        return 3;
    }
    r->bad = true;
    return fields;
}

bool joblog_decode(const void *value, size_t len, joblog_record_t *ret)
{
    mp_reader_t r;
    joblog_record_t record = {0};
    mp_reader_init(&r, value, len);
    uint32_t fields = mp_read_array(&r);
    uint64_t version = mp_read_uint(&r), type = mp_read_uint(&r);
    if (r.bad || fields < 3 || version != JOBLOG_VERSION || type > JOBLOG_PRODUCER)
        return false;
    record.type = (joblog_type_t)type;
    uint32_t known = read_body(&r, fields, &record);
    if (!mp_end_fields(&r, fields, known))
        return false;
    *ret = record;
    return true;
}

bool joblog_progress_offset(const progress_t *progress, uint32_t partition, int64_t *ret_offset)
{
    if (partition >= progress->partitions)
        return false;
    mp_reader_t r;
    mp_reader_init(&r, progress->offsets, progress->offsets_len);
    mp_skip_fields(&r, partition);
    int64_t offset = mp_read_int(&r);
    if (r.bad)
        return false;
    *ret_offset = offset;
    return true;
}
