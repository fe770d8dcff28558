/* Keys and values of the jobs topic: JOB/FIELD, and what each field holds. */
#include "schemas/jobs.h"

#include "base/text.h"
#include "schemas/mp_fields.h"

#include <stdio.h>
#include <string.h>

enum { JOBS_VERSION = 1, COUNT_FIELDS = 4, END_FIELDS = 2 + COUNT_FIELDS, DEAD_FIELDS = 5 };

MP_TABLE(count_fields, COUNT_FIELDS, MP_U64(jobs_counts_t, total), MP_U64(jobs_counts_t, done),
         MP_U64(jobs_counts_t, failed), MP_U64(jobs_counts_t, retried));
MP_TABLE(dead_fields, DEAD_FIELDS - 1, MP_I64(jobs_dead_t, until), MP_I64(jobs_dead_t, target),
         MP_U64(jobs_dead_t, number), MP_TEXT(jobs_dead_t, who));

static const char *const field_names[] = {[JOBS_SPEC] = "spec",
                                          [JOBS_CONCURRENCY] = "concurrency",
                                          [JOBS_PAUSED] = "paused",
                                          [JOBS_END] = "end",
                                          [JOBS_HALT] = "halt"};

size_t jobs_key(char *ret, size_t cap, const char *job, jobs_field_t field)
{
    return (size_t)snprintf(ret, cap, "%s/%s", job, field_names[field]);
}

void jobs_encode_spec(buf_t *b, const spec_t *spec)
{
    mp_put_array(b, 2);
    mp_put_uint(b, JOBS_VERSION);
    spec_encode(b, spec);
}

void jobs_encode_versioned(buf_t *b, uint64_t value, uint64_t version)
{
    mp_put_array(b, 3);
    mp_put_uint(b, JOBS_VERSION);
    mp_put_uint(b, value);
    mp_put_uint(b, version);
}

void jobs_encode_end(buf_t *b, end_reason_t reason)
{
    jobs_encode_end_counted(b, reason, &(jobs_counts_t){0});
}

void jobs_encode_end_counted(buf_t *b, end_reason_t reason, const jobs_counts_t *counts)
{
    mp_put_array(b, counts->is_known ? END_FIELDS : 2);
    mp_put_uint(b, JOBS_VERSION);
    mp_put_uint(b, reason);
    if (counts->is_known)
        mp_put_fields(b, count_fields, COUNT_FIELDS, counts);
}

static bool read_key(const char *key, size_t len, jobs_record_t *record)
{
    const char *slash = len > 0 ? memchr(key, '/', len) : NULL;
    if (!slash || (size_t)(slash - key) > JOB_ID_MAX)
        return false;
    memcpy(record->job, key, (size_t)(slash - key));
    record->job[slash - key] = '\0';
    size_t name_len = len - (size_t)(slash - key) - 1;
    for (int field = JOBS_SPEC; field <= JOBS_HALT; field++) {
        if (text_is(slash + 1, name_len, field_names[field]))
            record->field = (jobs_field_t)field;
    }
    return record->field != 0 && strlen(record->job) == (size_t)(slash - key) && job_id_valid(record->job);
}

static uint32_t read_counts(mp_reader_t *r, uint32_t fields, jobs_counts_t *ret)
{
    if (fields < END_FIELDS)
        return 2;
    ret->is_known = true;
    mp_read_fields(r, count_fields, COUNT_FIELDS, ret);
    return END_FIELDS;
}

/* Returns how many fields of the array were read, the version included. */
static uint32_t read_body(mp_reader_t *r, uint32_t fields, jobs_record_t *record)
{
    if (record->field == JOBS_SPEC) {
        r->bad = !spec_read(r, &record->spec) || r->bad || strcmp(record->spec.job, record->job) != 0;
        r->bad = r->bad || record->spec.start_offset < 0;
        return 2;
    }
    uint64_t value = mp_read_uint(r);
    if (record->field == JOBS_END || record->field == JOBS_HALT) {
        r->bad = r->bad || value < END_CANCEL || value > END_INPUT_ERROR;
        r->bad = r->bad || (record->field == JOBS_HALT && value != END_HALT);
        record->end_reason = (end_reason_t)value;
        return record->field == JOBS_END ? read_counts(r, fields, &record->counts) : 2;
    }
    record->value = value;
    record->version = mp_read_uint(r);
    r->bad = r->bad || (record->field == JOBS_PAUSED && value > 1);
    return 3;
}

bool jobs_decode(const void *key, size_t key_len, const void *value, size_t value_len, jobs_record_t *ret)
{
    jobs_record_t record = {0};
    if (!read_key(key, key_len, &record))
        return false;
    record.tombstone = value_len == 0;
    if (!record.tombstone) {
        mp_reader_t r;
        mp_reader_init(&r, value, value_len);
        uint32_t fields = mp_read_array(&r);
        if (mp_read_uint(&r) != JOBS_VERSION)
            return false;
        uint32_t known = read_body(&r, fields, &record);
        if (!mp_end_fields(&r, fields, known))
            return false;
    }
    *ret = record;
    return true;
}

const char jobs_clock_key[] = "-clock";

bool jobs_is_clock(const void *key, size_t key_len)
{
    return key_len == sizeof jobs_clock_key - 1 && memcmp(key, jobs_clock_key, key_len) == 0;
}

const char jobs_dead_key[] = "-dead";

void jobs_dead_encode(buf_t *b, const jobs_dead_t *mark)
{
    mp_put_array(b, DEAD_FIELDS);
    mp_put_uint(b, JOBS_VERSION);
    mp_put_fields(b, dead_fields, DEAD_FIELDS - 1, mark);
}

bool jobs_dead_decode(const void *key, size_t key_len, const void *value, size_t value_len, jobs_dead_t *ret)
{
    mp_reader_t r;
    jobs_dead_t mark;
    if (key_len != sizeof jobs_dead_key - 1 || memcmp(key, jobs_dead_key, key_len) != 0)
        return false;
    mp_reader_init(&r, value, value_len);
    uint32_t fields = mp_read_array(&r);
    if (mp_read_uint(&r) != JOBS_VERSION)
        return false;
    mp_read_fields(&r, dead_fields, DEAD_FIELDS - 1, &mark);
    if (!mp_end_fields(&r, fields, DEAD_FIELDS) || mark.until < 0 || mark.target < mark.until ||
        mark.number == UINT64_MAX)
        return false;
    *ret = mark;
    return true;
}
