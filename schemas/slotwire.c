/* Frames: four bytes of length, then an array of type and fields. Decoding borrows from the bytes; a frame that is not
 * whole yet is told apart from a bad one. */
#include "schemas/slotwire.h"

#include <string.h>

#include "schemas/mp_fields.h"

enum {
    LENGTH_BYTES = 4,
    DONE_VALUE_FIELDS = 6,
    DONE_ERROR_FIELDS = 10,
    ERROR_FIELDS_MAX = 6,
    JOB_FIELDS = 8,
    TRACED_JOB_FIELDS = 10,
    RUN_FIELDS = 7
};

MP_TABLE(job_fields, TRACED_JOB_FIELDS - 1, MP_U32(slot_job_t, id), MP_STR_OF(slot_job_t, job, job_len),
         MP_STR_OF(slot_job_t, task, task_len), MP_U32(slot_job_t, attempts_max), MP_U32(slot_job_t, value_bytes_max),
         MP_MAP_OF(slot_job_t, bound, bound_len), MP_U32(slot_job_t, parts),
         MP_STR_OF(slot_job_t, traceparent, traceparent_len), MP_U64(slot_job_t, trace_salt));
/* What an error has behind the fields of every `done`. */
MP_TABLE(error_fields, ERROR_FIELDS_MAX, MP_STR_OF(slot_done_t, type, type_len),
         MP_STR_OF(slot_done_t, message, message_len), MP_I32(slot_done_t, exit_status), MP_I32(slot_done_t, signo),
         MP_BIN_OF(slot_done_t, stderr_tail, stderr_len), MP_BIN_OF(slot_done_t, stdout_tail, stdout_len));

/* Leaves room for the length, which end_frame fills in. */
static size_t begin_frame(buf_t *b, uint32_t fields, slot_frame_type_t type)
{
    size_t start = b->len;
    if (buf_reserve(b, LENGTH_BYTES))
        b->len += LENGTH_BYTES;
    mp_put_array(b, fields);
    mp_put_uint(b, type);
    return start;
}

static void end_frame(buf_t *b, size_t start)
{
    if (b->failed)
        return;
    size_t len = b->len - start - LENGTH_BYTES;
    if (len > UINT32_MAX) {
        b->failed = true;
        return;
    }
    for (unsigned i = 0; i < LENGTH_BYTES; i++)
        b->data[start + i] = (uint8_t)(len >> (8 * i));
}

void slot_put_bye(buf_t *b)
{
    end_frame(b, begin_frame(b, 1, SLOT_BYE));
}

void slot_put_number(buf_t *b, slot_frame_type_t type, uint32_t n)
{
    size_t start = begin_frame(b, 2, type);
    mp_put_uint(b, n);
    end_frame(b, start);
}

void slot_put_back(buf_t *b, uint32_t from, uint32_t to)
{
    size_t start = begin_frame(b, 3, SLOT_BACK);
    mp_put_uint(b, from);
    mp_put_uint(b, to);
    end_frame(b, start);
}

void slot_put_job(buf_t *b, const slot_job_t *job)
{
    uint32_t fields = job->traceparent_len > 0 ? TRACED_JOB_FIELDS : job->parts > 0 ? JOB_FIELDS : JOB_FIELDS - 1;
    size_t start = begin_frame(b, fields, SLOT_JOB);
    mp_put_fields(b, job_fields, fields - 1, job);
    end_frame(b, start);
}

void slot_put_run_fields(buf_t *b, const slot_run_t *run)
{
    enum { NUMBERS = 5 };
    uint8_t *at = buf_reserve(b, NUMBERS * MP_NUMBER_MAX + run->in_len);
    if (at == NULL)
        return;
    at = mp_number(at, run->n);
    at = mp_number(at, run->index);
    at = mp_number(at, run->attempt);
    at = mp_number(at, run->fence);
    at = mp_integer(at, run->deadline_ms);
    if (run->in_len > 0)
        memcpy(at, run->in, run->in_len);
    b->len = (size_t)(at - b->data) + run->in_len;
    if (run->context_len > 0)
        buf_append(b, run->context, run->context_len);
    else if (run->traceparent_len > 0)
        mp_put_nil(b);
    if (run->traceparent_len > 0)
        mp_put_str(b, run->traceparent, run->traceparent_len);
}

uint32_t slot_run_more(const slot_run_t *run)
{
    return run->traceparent_len > 0 ? 2 : run->context_len > 0;
}

void slot_put_run(buf_t *b, const slot_run_t *run)
{
    size_t start = begin_frame(b, RUN_FIELDS + slot_run_more(run), SLOT_RUN);
    slot_put_run_fields(b, run);
    end_frame(b, start);
}

void slot_put_done(buf_t *b, const slot_done_t *done)
{
    bool is_value = done->kind == FANMAP_VALUE;
    size_t start = begin_frame(b, is_value ? DONE_VALUE_FIELDS : DONE_ERROR_FIELDS + (done->stdout_len > 0),
                               done->is_whole ? SLOT_CALL_FAILED : SLOT_DONE);
    mp_put_uint(b, done->n);
    mp_put_bool(b, done->final);
    mp_put_uint(b, done->kind);
    mp_put_uint(b, done->run_us);
    if (is_value) {
        buf_append(b, done->value, done->value_len);
    } else {
        mp_put_fields(b, error_fields, ERROR_FIELDS_MAX - (done->stdout_len == 0), done);
    }
    end_frame(b, start);
}

static uint32_t read_run(mp_reader_t *r, slot_run_t *run, uint32_t fields)
{
    run->n = mp_read_u32(r);
    run->index = mp_read_uint(r);
    run->attempt = mp_read_u32(r);
    run->fence = mp_read_uint(r);
    run->deadline_ms = mp_read_int(r);
    run->in = mp_skip(r, &run->in_len);
    r->bad = r->bad || run->deadline_ms < -1;
    if (fields <= RUN_FIELDS)
        return RUN_FIELDS;
    if (!mp_read_nil_if(r))
        run->context = mp_skip(r, &run->context_len);
    if (fields <= RUN_FIELDS + 1)
        return RUN_FIELDS + 1;
    run->traceparent = mp_read_str(r, &run->traceparent_len);
    return RUN_FIELDS + 2;
}

static uint32_t read_job(mp_reader_t *r, slot_job_t *job, uint32_t fields)
{
    uint32_t known = fields >= TRACED_JOB_FIELDS ? TRACED_JOB_FIELDS
                     : fields >= JOB_FIELDS      ? JOB_FIELDS
                                                 : JOB_FIELDS - 1;
    mp_read_fields(r, job_fields, known - 1, job);
    return known;
}

static uint32_t read_done(mp_reader_t *r, slot_done_t *done, uint32_t fields)
{
    done->n = mp_read_u32(r);
    done->final = mp_read_bool(r);
    uint64_t kind = mp_read_uint(r);
    done->run_us = mp_read_uint(r);
    r->bad = r->bad || kind > FANMAP_LOST;
    done->kind = (fanmap_kind_t)kind;
    if (done->kind == FANMAP_VALUE) {
        done->value = mp_skip(r, &done->value_len);
        return DONE_VALUE_FIELDS;
    }
    uint32_t known = DONE_ERROR_FIELDS + (fields > DONE_ERROR_FIELDS);
    mp_read_fields(r, error_fields, known - (DONE_VALUE_FIELDS - 1), done);
    return known;
}

/* Returns how many fields of the array were read, the type included. */
static uint32_t read_body(mp_reader_t *r, slot_frame_t *frame, uint32_t fields)
{
    switch (frame->type) {
    case SLOT_HELLO:
        frame->hello.version = mp_read_u32(r);
        return 2;
    case SLOT_READY:
    case SLOT_BYE:
        return 1;
    case SLOT_DONE:
    case SLOT_CALL_FAILED:
        frame->done.is_whole = frame->type == SLOT_CALL_FAILED;
        return read_done(r, &frame->done, fields);
    case SLOT_CALL:
        frame->call_n = mp_read_u32(r);
        return 2;
    case SLOT_JOB:
        return read_job(r, &frame->job, fields);
    case SLOT_RUN:
        return read_run(r, &frame->run, fields);
    case SLOT_CANCEL:
        frame->cancel_n = mp_read_u32(r);
        return 2;
    case SLOT_BACK:
        frame->back.from = mp_read_u32(r);
        frame->back.to = mp_read_u32(r);
        return 3;
    case SLOT_RUN_BATCH:
        break;
    }
    r->bad = true;
    return 1;
}

static bool decode_payload(const uint8_t *bytes, size_t len, slot_frame_t *ret)
{
    mp_reader_t r;
    slot_frame_t frame = {0};
    mp_reader_init(&r, bytes, len);
    uint32_t fields = mp_read_array(&r);
    uint64_t type = mp_read_uint(&r);
    if (r.bad || fields < 1 || type > SLOT_CALL_FAILED)
        return false;
    frame.type = (slot_frame_type_t)type;
    uint32_t known = read_body(&r, &frame, fields);
    if (!mp_end_fields(&r, fields, known))
        return false;
    *ret = frame;
    return true;
}

int slot_frame_decode(const void *bytes, size_t len, size_t frame_max, slot_frame_t *ret, size_t *ret_used)
{
    const uint8_t *at = bytes;
    if (len < LENGTH_BYTES)
        return 0;
    uint32_t payload = (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
    if (payload > frame_max || frame_max - payload < LENGTH_BYTES)
        return -1;
    if (len - LENGTH_BYTES < payload)
        return 0;
    if (!decode_payload(at + LENGTH_BYTES, payload, ret))
        return -1;
    *ret_used = LENGTH_BYTES + (size_t)payload;
    return 1;
}
