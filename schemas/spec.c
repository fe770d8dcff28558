/* The spec as an array: what was there from the beginning, then later fields, left out from the last one that is not
 * its default on. Reading also judges it: names, bounds, ranges. */
#include "schemas/spec.h"

#include <string.h>

#include "schemas/mp_fields.h"

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

#define U32(member)  MP_U32(spec_t, member)
#define U64(member)  MP_U64(spec_t, member)
#define I64(member)  MP_I64(spec_t, member)
#define FLAG(member) MP_FLAG(spec_t, member)
#define TEXT(member) MP_TEXT(spec_t, member)

MP_TABLE(halt_fields, HALT_FIELDS, MP_U32(halt_t, when), MP_U32(halt_t, what), MP_U32(halt_t, threshold),
         MP_FLAG(halt_t, is_percent));
MP_TABLE(stream_fields, STREAM_FIELDS, U32(stream), TEXT(from), TEXT(to), TEXT(errors_to), U32(in_format),
         U32(out_format));

static void put_halt(buf_t *b, const void *member)
{
    mp_put_array(b, HALT_FIELDS);
    mp_put_fields(b, halt_fields, HALT_FIELDS, member);
}

static void read_halt(mp_reader_t *r, void *member)
{
    halt_t *halt = member;
    uint32_t fields = mp_read_array(r);
    mp_read_fields(r, halt_fields, HALT_FIELDS, halt);
    r->bad = r->bad || fields < HALT_FIELDS || halt->when > HALT_SOON || halt->what > HALT_DONE;
    mp_skip_fields(r, r->bad ? 0 : fields - HALT_FIELDS);
}

static void put_final_exits(buf_t *b, const void *whole)
{
    const spec_t *spec = whole;
    mp_put_array(b, 2 * spec->final_exits_n);
    for (uint32_t i = 0; i < spec->final_exits_n; i++) {
        mp_put_uint(b, spec->final_exits[i].from);
        mp_put_uint(b, spec->final_exits[i].to);
    }
}

static void read_final_exits(mp_reader_t *r, void *whole)
{
    spec_t *spec = whole;
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

static void put_stream(buf_t *b, const void *whole)
{
    const spec_t *spec = whole;
    bool has_terms = !stream_terms_are_default(&spec->terms);
    mp_put_array(b, STREAM_FIELDS + has_terms);
    mp_put_fields(b, stream_fields, STREAM_FIELDS, spec);
    if (has_terms)
        stream_terms_put(b, &spec->terms);
}

static void read_stream(mp_reader_t *r, void *whole)
{
    spec_t *spec = whole;
    uint32_t fields = mp_read_array(r);
    mp_read_fields(r, stream_fields, STREAM_FIELDS, spec);
    r->bad = r->bad || fields < STREAM_FIELDS || spec->stream > STREAM_UNORDERED || spec->in_format > STREAM_MSGPACK ||
             spec->out_format > STREAM_MSGPACK || (spec->stream != STREAM_NOT && spec->from[0] == '\0');
    if (!r->bad && fields > STREAM_FIELDS)
        stream_terms_read(r, &spec->terms);
    mp_skip_fields(r, r->bad || fields <= STREAM_FIELDS ? 0 : fields - STREAM_FIELDS - 1);
}

/* Behind the version. */
MP_TABLE(first_fields, SPEC_FIELDS - 1, TEXT(job), TEXT(task), TEXT(queue), U32(items_partitions),
         U32(results_partition), I64(start_offset), I64(submitted_ms), U64(concurrency), TEXT(nonce), U32(lease_ms),
         U32(retries), U32(backoff_base_ms), U32(backoff_factor_milli), U32(backoff_cap_ms), U32(timeout_ms),
         U32(grace_ms), I64(deadline_ms), FLAG(fail_fast), MP_CUSTOM(spec_t, halt, put_halt, read_halt), U32(crash_cap),
         U32(item_bytes_max), U32(value_bytes_max), FLAG(is_signed), MP_MAP_OF(spec_t, bound, bound_len));
MP_TABLE(later_fields, SPEC_LATER_FIELDS, U64(memory_bytes), U32(cpus_milli), U32(cpu_time_ms),
         MP_WHOLE(put_final_exits, read_final_exits), U32(sequences_n), TEXT(retry_of),
         MP_WHOLE(put_stream, read_stream), U32(to_bytes_max), TEXT(traceparent), U32(batch_n), U32(batch_within_ms),
         FLAG(is_quiet), U64(start_every_us), FLAG(starts_apart));

static uint32_t count_later_fields(const spec_t *spec)
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

void spec_encode(buf_t *b, const spec_t *spec)
{
    uint32_t later = count_later_fields(spec);
    mp_put_array(b, SPEC_FIELDS + later);
    mp_put_uint(b, spec->start_every_us > 0 ? SPEC_VERSION_RATE : SPEC_VERSION);
    mp_put_fields(b, first_fields, SPEC_FIELDS - 1, spec);
    mp_put_fields(b, later_fields, later, spec);
}

static void read_later(mp_reader_t *r, spec_t *spec, uint32_t n, uint64_t version)
{
    uint32_t known = SPEC_LATER_FIELDS - (version == SPEC_VERSION_RATE ? 0 : RATE_FIELDS);
    known = n < known ? n : known;
    mp_read_fields(r, later_fields, known, spec);
    mp_skip_fields(r, n - known);
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
    mp_read_fields(r, first_fields, SPEC_FIELDS - 1, &spec);
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

bool topic_name_valid(const char *name)
{
    size_t n = 0;
    while (is_name(name[n]))
        n++;
    return name[n] == '\0' && n >= 1 && n <= KAFKA_NAME_MAX && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

bool queue_name_valid(const char *name)
{
    size_t n = 0;
    while (is_lower_or_digit(name[n]) || name[n] == '-')
        n++;
    return name[n] == '\0' && n >= 1 && n <= NAME_MAX_LEN;
}
