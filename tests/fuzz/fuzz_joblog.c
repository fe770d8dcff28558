#include <string.h>

#include "fuzz.h"
#include "schemas/joblog.h"

static bool is_within(const void *at, size_t len, const uint8_t *data, size_t size)
{
    return len == 0 || ((const uint8_t *)at >= data && (const uint8_t *)at + len <= data + size);
}

/* Every outcome borrows from the record and survives being packed again. */
static void read_outcomes(joblog_record_t *record, const uint8_t *data, size_t size)
{
    outcome_t o;
    buf_t body = {0}, pack = {0};
    uint32_t n = 0;
    for (; joblog_next_outcome(record, &o); n++) {
        MUST(is_within(o.value, o.value_len, data, size) && is_within(o.message, o.message_len, data, size));
        MUST(is_within(o.type, o.type_len, data, size) && is_within(o.stderr_tail, o.stderr_len, data, size));
        MUST(o.kind <= FANMAP_LOST && (o.kind != FANMAP_VALUE || mp_check(o.value, o.value_len)));
        joblog_put_outcome(&body, &o);
    }
    joblog_encode_pack(&pack, body.data, body.len, n);
    joblog_record_t again;
    MUST(joblog_decode(pack.data, pack.len, &again) && again.outcomes_left == n);
    while (joblog_next_outcome(&again, &o))
        n--;
    MUST(n == 0);
    buf_free(&body);
    buf_free(&pack);
}

static bool spec_decode(const void *bytes, size_t len, spec_t *ret)
{
    mp_reader_t r;
    mp_reader_init(&r, bytes, len);
    return spec_read(&r, ret) && mp_done(&r);
}

static void read_start(const spec_t *spec)
{
    spec_t again;
    buf_t b = {0};
    MUST(job_id_valid(spec->job) && task_name_valid(spec->task) && queue_name_valid(spec->queue));
    spec_encode(&b, spec);
    MUST(spec_decode(b.data, b.len, &again) && strcmp(again.nonce, spec->nonce) == 0);
    buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    joblog_record_t record;
    int64_t offset;
    if (!joblog_decode(data, size, &record))
        return 0;
    if (record.type == JOBLOG_OUTCOMES)
        read_outcomes(&record, data, size);
    if (record.type == JOBLOG_START)
        read_start(&record.start);
    for (uint32_t i = 0; record.type == JOBLOG_PROGRESS && i < record.progress.partitions; i++)
        MUST(joblog_progress_offset(&record.progress, i, &offset));
    if (record.type == JOBLOG_INPUT)
        MUST(is_within(record.input_error, record.input_error_len, data, size));
    return 0;
}
