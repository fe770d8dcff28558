/* A topic of errors, read in batches: what a batch puts back is stored before its end is kept. Who is stopped in between puts that
 * batch back again at the next call. */
#include "client/admin/dead_stream.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "client/admin/offsets.h"
#include "client/gathering/dead_headers.h"

enum { BATCH_N = 1000, TEXT_MAX = 256 };

typedef struct {
    bus_topic_t *topic;
    uint32_t partitions_n;
} place_t;

typedef struct {
    query_t query;
    const fanmap_options_t *filter;
    spec_t spec;
    place_t errors, source;
    char group[TOPIC_NAME_MAX];
    fanmap_dead_fn list; /* NULL: it puts back */
    fanmap_dead_refused_fn on_refused;
    void *arg;
    uint64_t sent;
    int64_t next; /* of the partition that is read */
    size_t batch_n;
    bool is_cut; /* the batch ended before the partition did */
} replay_t;

/* ---- what it is about ---- */

static void on_delivered(void *arg, uint64_t cookie, int32_t partition, int64_t offset, const fanmap_error_t *err)
{
    replay_t *r = arg;
    (void)cookie, (void)partition, (void)offset;
    r->query.unstored_n--;
    r->query.answers_n++;
    if (err)
        r->query.error = *err;
}

static void open_topics(replay_t *r)
{
    r->errors.partitions_n = query_ensure(&r->query, &(bus_topic_config_t){.name = r->spec.errors_to}, false);
    r->source.partitions_n = query_ensure(&r->query, &(bus_topic_config_t){.name = r->spec.from}, false);
    r->errors.topic = query_open(&r->query, r->spec.errors_to, NULL, NULL);
    r->source.topic = query_open(&r->query, r->spec.from, on_delivered, r);
}

static void find_stream(replay_t *r)
{
    query_t *query = &r->query;
    lookup_result_t seen = {0};
    const char *id = options_text(r->filter, OPT_OF_STREAM);
    query_job(query, query_queue(query, NULL, NULL), id, &seen);
    if (query->result != FANMAP_OK)
        return;
    r->spec = seen.spec;
    (void)name_of_id(r->group, query->f->namespace_name, NAME_REPLAY, id);
    if (!seen.view.is_known || seen.spec.stream == STREAM_NOT)
        query->result = err_set(query->err, FANMAP_ENOJOB, "there is no stream %s", id);
    else if (seen.spec.errors_to[0] == '\0')
        query->result = err_set(query->err, FANMAP_EUSAGE, "stream %s has no topic of errors (--errors-to)", id);
    else
        open_topics(r);
}

/* ---- one record ---- */

/* Others may write to the topic, too: outcomes that are no errors, where it is --to as well, and a stream of this name from another
 * namespace, which has another source. */
static bool is_of_stream(const replay_t *r, const dead_origin_t *origin)
{
    bool is_from = origin->topic && text_is(origin->topic, origin->topic_len, r->spec.from);
    return origin->kind && is_from && (!origin->stream || text_is(origin->stream, origin->stream_len, r->spec.job));
}

static char *copy(char *ret, const char *text, size_t len)
{
    snprintf(ret, TEXT_MAX, "%.*s", text ? (int)(len < TEXT_MAX ? len : TEXT_MAX) : 0, text ? text : "");
    return ret;
}

/* why: it stays; NULL: it is only told. */
static void report_record(const replay_t *r, const bus_record_t *record, const dead_origin_t *origin, const char *why)
{
    char topic[TEXT_MAX], kind[TEXT_MAX], message[TEXT_MAX];
    const fanmap_dead_t told = {.offset = record->offset,
                                .at_ms = record->timestamp_ms,
                                .topic = copy(topic, origin->topic, origin->topic_len),
                                .reason = copy(message, origin->message, origin->message_len),
                                .stage = copy(kind, origin->kind, origin->kind_len),
                                .origin_partition = origin->partition > INT32_MAX ? -1 : (int32_t)origin->partition,
                                .origin_offset = origin->offset,
                                .key = record->key,
                                .value = record->value,
                                .key_len = record->key_len,
                                .value_len = record->value_len,
                                .job = r->spec.job};
    if (r->list)
        r->list(r->arg, &told);
    else if (r->on_refused)
        r->on_refused(r->arg, &told, why);
}

/* False: the bus is full, or it failed. */
static bool put_back(replay_t *r, const bus_record_t *record, int32_t partition)
{
    bus_header_t headers[BUS_HEADERS_MAX];
    size_t n = 0;
    for (size_t i = 0; i < record->headers_n; i++)
        if (!dead_header_is_ours(r->spec.terms.dead_headers, record->headers[i].name))
            headers[n++] = record->headers[i];
    int code = bus_produce_with(r->source.topic, partition, record->key, record->key_len, record->value,
                                record->value_len, headers, n, 0, &r->query.error);
    if (code == FANMAP_AGAIN)
        r->query.error.code = 0;
    if (code != FANMAP_OK)
        return false;
    r->query.unstored_n++;
    r->sent++;
    return true;
}

static bool replay_record(replay_t *r, const bus_record_t *record)
{
    dead_origin_t origin;
    dead_headers_read(r->spec.terms.dead_headers, record->headers, record->headers_n, &origin);
    if (!is_of_stream(r, &origin))
        return true;
    if (r->list)
        report_record(r, record, &origin, NULL);
    else if (origin.is_left_out)
        report_record(r, record, &origin, "its value was too large to be kept here, and is on the source alone");
    else if (origin.partition < 0 || origin.partition >= r->source.partitions_n)
        report_record(r, record, &origin, "it does not say in which partition of the source it stood");
    else
        return put_back(r, record, (int32_t)origin.partition);
    return true;
}

static void on_record(void *arg, const bus_record_t *record)
{
    replay_t *r = arg;
    bool is_taken = replay_record(r, record);
    if (is_taken)
        r->next = record->offset + 1;
    r->is_cut = !is_taken || ++r->batch_n >= BATCH_N;
    r->query.is_done |= r->is_cut;
}

/* ---- a partition ---- */

static void keep_position(replay_t *r, uint32_t partition)
{
    const bus_request_t request = {
        .kind = BUS_COMMIT, .group = r->group, .partition = (int32_t)partition, .at = r->next};
    if (!r->list)
        (void)query_bus(&r->query, r->errors.topic, &request, NULL);
}

static void read_batch(replay_t *r, uint32_t partition, int64_t end)
{
    r->is_cut = false;
    r->batch_n = 0;
    int64_t low = query_read(&r->query, r->errors.topic, (int32_t)partition, r->next, end, on_record, r);
    if (low >= 0) /* retention was quicker */
        r->next = low;
    else if (!r->is_cut)
        r->next = end;
    query_wait_stored(&r->query);
    if (r->query.result == FANMAP_OK)
        keep_position(r, partition);
}

/* Its position is kept once before: who may not do that puts nothing back. */
static void read_partition(replay_t *r, uint32_t partition, int64_t committed)
{
    int64_t end = query_end_of(&r->query, r->errors.topic, (int32_t)partition);
    if (committed < 0 || options_switch(r->filter, OPT_ALL))
        committed = query_first(&r->query, r->errors.topic, (int32_t)partition);
    r->next = committed < 0 ? 0 : committed;
    if (r->query.result == FANMAP_OK && r->next < end)
        keep_position(r, partition);
    while (r->query.result == FANMAP_OK && r->next < end && end > 0)
        read_batch(r, partition, end);
}

static void read_all(replay_t *r)
{
    uint32_t n = r->errors.partitions_n;
    const bus_request_t request = {.kind = BUS_FIND_COMMITTED, .group = r->group, .n = n};
    int64_t *committed = calloc(n + 1, sizeof *committed);
    if (!committed)
        query_out_of_memory(&r->query);
    (void)query_bus(&r->query, r->errors.topic, &request, committed);
    for (uint32_t i = 0; r->query.result == FANMAP_OK && i < n; i++)
        read_partition(r, i, committed[i]);
    free(committed);
}

static int run_replay(replay_t *r, fanmap_t *f, int timeout_ms, fanmap_error_t *err)
{
    query_begin(&r->query, f, timeout_ms, err);
    find_stream(r);
    if (r->query.result == FANMAP_OK)
        read_all(r);
    if (!f->is_local)
        bus_forget(f->bus, r);
    return query_end(&r->query);
}

int dead_stream_list(fanmap_t *f, const fanmap_options_t *filter, int timeout_ms, fanmap_dead_fn fn, void *arg,
                     fanmap_error_t *err)
{
    replay_t r = {.filter = filter, .list = fn, .arg = arg};
    return run_replay(&r, f, timeout_ms, err);
}

int dead_stream_replay(fanmap_t *f, const fanmap_options_t *filter, int timeout_ms, fanmap_dead_refused_fn on_refused,
                       void *arg, uint64_t *ret_n, fanmap_error_t *err)
{
    replay_t r = {.filter = filter, .on_refused = on_refused, .arg = arg};
    int code = run_replay(&r, f, timeout_ms, err);
    if (code == FANMAP_OK)
        *ret_n = r.sent;
    return code;
}
