/* What is sent to a served program, in its encoding. */
#include <inttypes.h>

#include "schemas/record.h"
#include "schemas/served.h"
#include "schemas/value.h"

bool served_put_job(buf_t *b, served_encoding_t encoding, const slot_job_t *job)
{
    size_t start = b->len;
    if (encoding == SERVED_MSGPACK) {
        slot_put_job(b, job);
        return true;
    }
    buf_printf(b, "{\"type\":\"job\",\"id\":%" PRIu32 ",\"job\":", job->id);
    json_put_string(b, job->job, job->job_len);
    buf_append_text(b, ",\"task\":");
    json_put_string(b, job->task, job->task_len);
    buf_printf(b, ",\"attempts_max\":%" PRIu32 ",\"value_bytes_max\":%" PRIu32 ",\"bound\":", job->attempts_max,
               job->value_bytes_max);
    if (job->bound_len == 0)
        buf_append_text(b, "null");
    else if (value_to_json(b, job->bound, job->bound_len, NULL) != FANMAP_OK) {
        b->len = start;
        return false;
    }
    if (job->parts > 0)
        buf_printf(b, ",\"parts\":%" PRIu32, job->parts);
    buf_append_text(b, "}\n");
    return true;
}

static void put_context(buf_t *b, const char *before, const slot_run_t *run)
{
    record_context_t context;
    if (run->context_len == 0 || !record_context_read(run->context, run->context_len, &context))
        return;
    buf_append_text(b, before);
    record_context_to_json(b, &context);
}

static void put_trace(buf_t *b, const char *before, const slot_run_t *run)
{
    if (run->traceparent_len == 0)
        return;
    buf_append_text(b, before);
    json_put_string(b, run->traceparent, run->traceparent_len);
}

bool served_put_run(buf_t *b, served_encoding_t encoding, const slot_run_t *run, uint32_t job_id)
{
    size_t start = b->len;
    if (encoding == SERVED_MSGPACK) {
        slot_put_run(b, run);
        return true;
    }
    buf_printf(b,
               "{\"type\":\"run\",\"n\":%" PRIu32 ",\"job\":%" PRIu32 ",\"index\":%" PRIu64 ",\"attempt\":%" PRIu32
               ",\"fence\":%" PRIu64 ",\"deadline_ms\":%" PRId64 ",\"in\":",
               run->n, job_id, run->index, run->attempt, run->fence, run->deadline_ms);
    if (value_to_json(b, run->in, run->in_len, NULL) != FANMAP_OK) {
        b->len = start;
        return false;
    }
    put_context(b, ",\"context\":", run);
    put_trace(b, ",\"traceparent\":", run);
    buf_append_text(b, "}\n");
    return true;
}

enum { LENGTH_BYTES = 4, COUNT_BYTES = 4, RUN_FIELDS = 6 };

static void put_big_endian(uint8_t *at, uint32_t value)
{
    for (unsigned i = 0; i < COUNT_BYTES; i++)
        at[i] = (uint8_t)(value >> (24 - 8 * i));
}

/* In msgpack the length of the frame and the number of runs are filled in at the end. */
static void begin_batch(const served_batch_t *batch, buf_t *b, served_encoding_t encoding)
{
    static const uint8_t head[] = {0, 0, 0, 0, 0x92, SLOT_RUN_BATCH, 0xdd, 0, 0, 0, 0};
    if (encoding == SERVED_MSGPACK && batch->n == 0)
        buf_append(b, head, sizeof head);
    else if (encoding == SERVED_JSON)
        buf_append_text(b, batch->n == 0 ? "{\"type\":\"run_batch\",\"runs\":[" : ",");
}

bool served_batch_add(served_batch_t *batch, buf_t *b, served_encoding_t encoding, const slot_run_t *run)
{
    size_t start = b->len;
    begin_batch(batch, b, encoding);
    if (encoding == SERVED_MSGPACK) {
        mp_put_array(b, RUN_FIELDS + slot_run_more(run));
        slot_put_run_fields(b, run);
    } else {
        buf_printf(b, "[%" PRIu32 ",%" PRIu64 ",%" PRIu32 ",%" PRIu64 ",%" PRId64 ",", run->n, run->index, run->attempt,
                   run->fence, run->deadline_ms);
        if (value_to_json(b, run->in, run->in_len, NULL) != FANMAP_OK) {
            b->len = start;
            return false;
        }
        put_context(b, ",", run);
        put_trace(b, run->context_len > 0 ? "," : ",null,", run);
        buf_append_text(b, "]");
    }
    if (batch->n++ == 0)
        batch->start = start;
    return true;
}

void served_batch_end(served_batch_t *batch, buf_t *b, served_encoding_t encoding, bool is_call)
{
    if (batch->n > 0 && encoding == SERVED_JSON)
        buf_append_text(b, is_call ? "],\"call\":true}\n" : "]}\n");
    if (batch->n > 0 && encoding == SERVED_MSGPACK && is_call)
        mp_put_bool(b, true);
    if (batch->n > 0 && encoding == SERVED_MSGPACK && !b->failed) {
        uint8_t *at = b->data + batch->start;
        size_t len = b->len - batch->start - LENGTH_BYTES;
        for (unsigned i = 0; i < LENGTH_BYTES; i++)
            at[i] = (uint8_t)(len >> (8 * i));
        at[LENGTH_BYTES] = is_call ? 0x93 : 0x92;
        put_big_endian(at + LENGTH_BYTES + 3, batch->n);
    }
    batch->n = 0;
}

void served_put_cancel(buf_t *b, served_encoding_t encoding, uint32_t n)
{
    if (encoding == SERVED_MSGPACK)
        slot_put_number(b, SLOT_CANCEL, n);
    else
        buf_printf(b, "{\"type\":\"cancel\",\"n\":%" PRIu32 "}\n", n);
}

void served_put_bye(buf_t *b, served_encoding_t encoding)
{
    if (encoding == SERVED_MSGPACK)
        slot_put_bye(b);
    else
        buf_append_text(b, "{\"type\":\"bye\"}\n");
}
