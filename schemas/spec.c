/* The spec as an array: what was there from the beginning, then later fields, left out from the last one that is not
 * its default on. Reading also judges it: names, bounds, ranges. */
#include "schemas/spec.h"

#include <string.h>

/* The first fields are always there; those behind them are left out from the last one that is not its default on. The
 * last of them only a spec with a rate has. */
enum {
    SPEC_FIELDS = 25,
    SPEC_LATER_FIELDS = 14,
    RATE_FIELDS = 2,
    HALT_FIELDS = 4,
    STREAM_FIELDS = 6,
    PARTITIONS_MAX = 100000
};

void spec_init(spec_t *spec)
{
    *spec = (spec_t){.items_partitions = 32,
                     .start_offset = -1,
                     .lease_ms = 15000,
                     .backoff_base_ms = 1000,
                     .backoff_factor_milli = 2000,
                     .backoff_cap_ms = 300000,
                     .grace_ms = 5000,
                     .halt = {.when = HALT_NEVER, .what = HALT_FAIL, .threshold = 1},
                     .crash_cap = 3,
                     .item_bytes_max = 1 << 20,
                     .value_bytes_max = 1 << 20};
    stream_terms_init(&spec->terms);
}

static void put_halt(buf_t *b, const halt_t *halt)
{
    mp_put_array(b, HALT_FIELDS);
    mp_put_uint(b, halt->when);
    mp_put_uint(b, halt->what);
    mp_put_uint(b, halt->threshold);
    mp_put_bool(b, halt->is_percent);
}

static void put_bound(buf_t *b, const spec_t *spec)
{
    if (spec->bound_len > 0)
        buf_append(b, spec->bound, spec->bound_len);
    else
        mp_put_nil(b);
}

static uint32_t later_fields(const spec_t *spec)
{
    const bool is_set[SPEC_LATER_FIELDS] = {
        spec->memory_bytes > 0,       spec->cpus_milli > 0,      spec->cpu_time_ms > 0,      spec->final_exits_n > 0,
        spec->sequences_n > 0,        spec->retry_of[0] != '\0', spec->stream != STREAM_NOT, spec->to_bytes_max > 0,
        spec->traceparent[0] != '\0', spec->batch_n > 1,         spec->batch_within_ms > 0,  spec->is_quiet,
        spec->start_every_us > 0,     spec->starts_apart};
    uint32_t n = SPEC_LATER_FIELDS;
    while (n > 0 && !is_set[n - 1])
        n--;
    return n;
}

static void put_final_exits(buf_t *b, const spec_t *spec)
{
    mp_put_array(b, 2 * spec->final_exits_n);
    for (uint32_t i = 0; i < spec->final_exits_n; i++) {
        mp_put_uint(b, spec->final_exits[i].from);
        mp_put_uint(b, spec->final_exits[i].to);
    }
}

static void put_stream(buf_t *b, const spec_t *spec)
{
    bool has_terms = !stream_terms_are_default(&spec->terms);
    mp_put_array(b, STREAM_FIELDS + has_terms);
    mp_put_uint(b, spec->stream);
    mp_put_text(b, spec->from);
    mp_put_text(b, spec->to);
    mp_put_text(b, spec->errors_to);
    mp_put_uint(b, spec->in_format);
    mp_put_uint(b, spec->out_format);
    if (has_terms)
        stream_terms_put(b, &spec->terms);
}

static void put_later(buf_t *b, const spec_t *spec, uint32_t n)
{
    if (n > 0)
        mp_put_uint(b, spec->memory_bytes);
    if (n > 1)
        mp_put_uint(b, spec->cpus_milli);
    if (n > 2)
        mp_put_uint(b, spec->cpu_time_ms);
    if (n > 3)
        put_final_exits(b, spec);
    if (n > 4)
        mp_put_uint(b, spec->sequences_n);
    if (n > 5)
        mp_put_text(b, spec->retry_of);
    if (n > 6)
        put_stream(b, spec);
    if (n > 7)
        mp_put_uint(b, spec->to_bytes_max);
    if (n > 8)
        mp_put_text(b, spec->traceparent);
    if (n > 9)
        mp_put_uint(b, spec->batch_n);
    if (n > 10)
        mp_put_uint(b, spec->batch_within_ms);
    if (n > 11)
        mp_put_bool(b, spec->is_quiet);
    if (n > 12)
        mp_put_uint(b, spec->start_every_us);
    if (n > 13)
        mp_put_bool(b, spec->starts_apart);
}

void spec_encode(buf_t *b, const spec_t *spec)
{
    uint32_t later = later_fields(spec);
    mp_put_array(b, SPEC_FIELDS + later);
    mp_put_uint(b, spec->start_every_us > 0 ? SPEC_VERSION_RATE : SPEC_VERSION);
    mp_put_text(b, spec->job);
    mp_put_text(b, spec->task);
    mp_put_text(b, spec->queue);
    mp_put_uint(b, spec->items_partitions);
    mp_put_uint(b, spec->results_partition);
    mp_put_int(b, spec->start_offset);
    mp_put_int(b, spec->submitted_ms);
    mp_put_uint(b, spec->concurrency);
    mp_put_text(b, spec->nonce);
    mp_put_uint(b, spec->lease_ms);
    mp_put_uint(b, spec->retries);
    mp_put_uint(b, spec->backoff_base_ms);
    mp_put_uint(b, spec->backoff_factor_milli);
    mp_put_uint(b, spec->backoff_cap_ms);
    mp_put_uint(b, spec->timeout_ms);
    mp_put_uint(b, spec->grace_ms);
    mp_put_int(b, spec->deadline_ms);
    mp_put_bool(b, spec->fail_fast);
    put_halt(b, &spec->halt);
    mp_put_uint(b, spec->crash_cap);
    mp_put_uint(b, spec->item_bytes_max);
    mp_put_uint(b, spec->value_bytes_max);
    mp_put_bool(b, spec->is_signed);
    put_bound(b, spec);
    put_later(b, spec, later);
}

static void read_halt(mp_reader_t *r, halt_t *halt)
{
    uint32_t fields = mp_read_array(r);
    uint64_t when = mp_read_uint(r), what = mp_read_uint(r);
    halt->threshold = mp_read_u32(r);
    halt->is_percent = mp_read_bool(r);
    if (fields < HALT_FIELDS || when > HALT_SOON || what > HALT_DONE) {
        r->bad = true;
        return;
    }
    mp_skip_fields(r, fields - HALT_FIELDS);
    halt->when = (halt_when_t)when;
    halt->what = (halt_what_t)what;
}

static void read_bound(mp_reader_t *r, spec_t *spec)
{
    mp_type_t type = mp_peek(r);
    if (type == MP_NIL) {
        mp_read_nil(r);
        return;
    }
    spec->bound = mp_skip(r, &spec->bound_len);
    r->bad = r->bad || type != MP_MAP;
}

static void read_fields(mp_reader_t *r, spec_t *spec)
{
    mp_read_text(r, spec->job, sizeof spec->job);
    mp_read_text(r, spec->task, sizeof spec->task);
    mp_read_text(r, spec->queue, sizeof spec->queue);
    spec->items_partitions = mp_read_u32(r);
    spec->results_partition = mp_read_u32(r);
    spec->start_offset = mp_read_int(r);
    spec->submitted_ms = mp_read_int(r);
    spec->concurrency = mp_read_uint(r);
    mp_read_text(r, spec->nonce, sizeof spec->nonce);
    spec->lease_ms = mp_read_u32(r);
    spec->retries = mp_read_u32(r);
    spec->backoff_base_ms = mp_read_u32(r);
    spec->backoff_factor_milli = mp_read_u32(r);
    spec->backoff_cap_ms = mp_read_u32(r);
    spec->timeout_ms = mp_read_u32(r);
    spec->grace_ms = mp_read_u32(r);
    spec->deadline_ms = mp_read_int(r);
    spec->fail_fast = mp_read_bool(r);
    read_halt(r, &spec->halt);
    spec->crash_cap = mp_read_u32(r);
    spec->item_bytes_max = mp_read_u32(r);
    spec->value_bytes_max = mp_read_u32(r);
    spec->is_signed = mp_read_bool(r);
    read_bound(r, spec);
}

static void read_final_exits(mp_reader_t *r, spec_t *spec)
{
    uint32_t n = mp_read_array(r);
    if (n % 2 != 0 || n / 2 > FINAL_EXITS_MAX) {
        r->bad = true;
        return;
    }
    for (uint32_t i = 0; i < n / 2; i++) {
        uint64_t from = mp_read_uint(r), to = mp_read_uint(r);
        r->bad = r->bad || from > to || to > UINT8_MAX;
        spec->final_exits[i] = (exit_range_t){(uint8_t)from, (uint8_t)to};
    }
    spec->final_exits_n = n / 2;
}

static void read_stream(mp_reader_t *r, spec_t *spec)
{
    uint32_t fields = mp_read_array(r);
    uint64_t order = mp_read_uint(r);
    mp_read_text(r, spec->from, sizeof spec->from);
    mp_read_text(r, spec->to, sizeof spec->to);
    mp_read_text(r, spec->errors_to, sizeof spec->errors_to);
    uint64_t in_format = mp_read_uint(r), out_format = mp_read_uint(r);
    r->bad = r->bad || fields < STREAM_FIELDS || order > STREAM_UNORDERED || in_format > STREAM_MSGPACK ||
             out_format > STREAM_MSGPACK || (order != STREAM_NOT && spec->from[0] == '\0');
    if (r->bad)
        return;
    spec->stream = (stream_order_t)order;
    spec->in_format = (stream_format_t)in_format;
    spec->out_format = (stream_format_t)out_format;
    if (fields > STREAM_FIELDS)
        stream_terms_read(r, &spec->terms);
    mp_skip_fields(r, fields > STREAM_FIELDS ? fields - STREAM_FIELDS - 1 : 0);
}

static void read_later(mp_reader_t *r, spec_t *spec, uint32_t n, uint64_t version)
{
    uint32_t known = SPEC_LATER_FIELDS - (version == SPEC_VERSION_RATE ? 0 : RATE_FIELDS);
    if (n > 0)
        spec->memory_bytes = mp_read_uint(r);
    if (n > 1)
        spec->cpus_milli = mp_read_u32(r);
    if (n > 2)
        spec->cpu_time_ms = mp_read_u32(r);
    if (n > 3)
        read_final_exits(r, spec);
    if (n > 4)
        spec->sequences_n = mp_read_u32(r);
    if (n > 5)
        mp_read_text(r, spec->retry_of, sizeof spec->retry_of);
    if (n > 6)
        read_stream(r, spec);
    if (n > 7)
        spec->to_bytes_max = mp_read_u32(r);
    if (n > 8)
        mp_read_text(r, spec->traceparent, sizeof spec->traceparent);
    if (n > 9)
        spec->batch_n = mp_read_u32(r);
    if (n > 10)
        spec->batch_within_ms = mp_read_u32(r);
    if (n > 11)
        spec->is_quiet = mp_read_bool(r);
    if (n > 12 && known > 12)
        spec->start_every_us = mp_read_uint(r);
    if (n > 13 && known > 13)
        spec->starts_apart = mp_read_bool(r);
    mp_skip_fields(r, n > known ? n - known : 0);
}

bool spec_has_table(const spec_t *spec)
{
    return spec->concurrency > 0 || spec->start_every_us > 0;
}

bool spec_ends_on_errors(const spec_t *spec)
{
    const halt_t *halt = &spec->halt;
    return spec->fail_fast || (halt->when != HALT_NEVER && halt->what == HALT_FAIL && !halt->is_percent);
}

bool spec_exit_is_final(const spec_t *spec, int status)
{
    for (uint32_t i = 0; i < spec->final_exits_n; i++)
        if (status >= spec->final_exits[i].from && status <= spec->final_exits[i].to)
            return true;
    return false;
}

static bool halt_valid(const halt_t *halt)
{
    if (halt->when == HALT_NEVER)
        return true;
    return halt->threshold >= 1 && (!halt->is_percent || halt->threshold <= 100);
}

static bool spec_valid(const spec_t *spec)
{
    return job_id_valid(spec->job) && task_name_valid(spec->task) && queue_name_valid(spec->queue) &&
           spec->items_partitions >= 1 && spec->items_partitions <= PARTITIONS_MAX &&
           spec->results_partition < PARTITIONS_MAX && spec->start_offset >= -1 && spec->submitted_ms >= 0 &&
           spec->deadline_ms >= 0 && spec->lease_ms >= 1 && spec->backoff_factor_milli >= 1 && spec->crash_cap >= 1 &&
           spec->item_bytes_max >= 1 && spec->value_bytes_max >= 1 && halt_valid(&spec->halt) && !spec->is_signed &&
           spec->sequences_n <= SEQUENCES_MAX && spec->batch_n <= CALL_MAX &&
           spec->start_every_us <= START_EVERY_MS_MAX * 1000ULL &&
           (spec->retry_of[0] == '\0' || job_id_valid(spec->retry_of)) &&
           (spec->traceparent[0] == '\0' || trace_valid(spec->traceparent));
}

bool spec_read(mp_reader_t *r, spec_t *ret)
{
    spec_t spec = {0};
    stream_terms_init(&spec.terms);
    uint32_t fields = mp_read_array(r);
    uint64_t version = mp_read_uint(r);
    if (version < SPEC_VERSION || version > SPEC_VERSION_RATE || fields < SPEC_FIELDS)
        return false;
    read_fields(r, &spec);
    read_later(r, &spec, fields - SPEC_FIELDS, version);
    if (r->bad || !spec_valid(&spec) || (version == SPEC_VERSION_RATE) != (spec.start_every_us > 0))
        return false;
    *ret = spec;
    return true;
}

static bool is_lower_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_name(char c)
{
    return is_lower_or_digit(c) || (c >= 'A' && c <= 'Z') || c == '.' || c == '_' || c == '-';
}

bool task_name_valid(const char *name)
{
    size_t n = 0;
    while (is_name(name[n]))
        n++;
    return name[n] == '\0' && n >= 1 && n <= TASK_NAME_MAX;
}

bool job_id_valid(const char *id)
{
    return id[0] != '.' && id[0] != '-' && strlen(id) <= JOB_ID_MAX && task_name_valid(id);
}

bool queue_name_valid(const char *name)
{
    size_t n = 0;
    while (is_lower_or_digit(name[n]) || name[n] == '-')
        n++;
    return name[n] == '\0' && n >= 1 && n <= NAME_MAX_LEN;
}
