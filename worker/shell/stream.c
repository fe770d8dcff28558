/* Records of a source as items, and their outcomes with what readers must know into the log.
 *
 * A record's value becomes the task's input by the stream's format; its key, timestamp and headers are kept beside it
 * (stream_record.h) until its outcome is published, and go into the log with that, so that who writes the output need not read
 * the source. */
#include "worker/shell/stream.h"

#include <stdlib.h>
#include <string.h>

#include "io/bus_admin.h"
#include "schemas/record.h"
#include "schemas/value.h"
#include "worker/shell/inflight.h"
#include "worker/shell/stream_record.h"
#include "worker/shell/stream_rules.h"

int shell_stream_new(worker_shell_t *shell, fanmap_error_t *err)
{
    const slots_catalogue_t *catalogue = shell->config.catalogue;
    const spec_t *spec = shell->config.stream;
    if (!spec)
        return FANMAP_OK;
    shell->stream = malloc(sizeof *shell->stream);
    if (!shell->stream)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    *shell->stream = *spec;
    shell->stream->bound = NULL;
    shell->stream->bound_len = 0;
    shell->stream_log_n = spec->items_partitions;
    while (shell->stream_task < catalogue->n && strcmp(catalogue->tasks[shell->stream_task].name, spec->task) != 0)
        shell->stream_task++;
    if (shell->stream_task == catalogue->n)
        return err_set(err, FANMAP_EUSAGE, "stream %s is of task %s, which is not served here", spec->job, spec->task);
    return FANMAP_OK;
}

int shell_stream_open_topics(worker_shell_t *shell, bus_topics_fn fn, fanmap_error_t *err)
{
    char log[TOPIC_NAME_MAX];
    const char *from = shell->stream->from;
    const bus_topic_config_t topics[] = {{.name = from},
                                         {.name = name_of_id(log, shell->name_space, NAME_STREAM, shell->stream->job)}};
    int r = bus_topic_open(shell->bus, from, shell_delivered, shell, &shell->items[0], err);
    if (r == FANMAP_OK)
        r = bus_topic_open(shell->bus, log, shell_delivered, shell, &shell->stream_log, err);
    return r == FANMAP_OK ? bus_ensure_topics(shell->bus, topics, 2, false, fn, shell, err) : r;
}

static void on_grown(void *arg, const uint32_t *partitions_n, const fanmap_error_t *err)
{
    worker_shell_t *shell = arg;
    (void)partitions_n;
    if (!err)
        return;
    shell->stream_log_n = 0; /* asked again with the next assignment */
    shell_log(shell, FANMAP_LOG_ERROR,
              "%s has more partitions than the log of the stream, where their outcomes wait: %s", shell->stream->from,
              err->message);
}

void shell_stream_grow(worker_shell_t *shell, uint32_t partitions)
{
    char log[TOPIC_NAME_MAX];
    fanmap_error_t err;
    if (partitions <= shell->stream_log_n)
        return;
    shell->stream_log_n = partitions;
    if (bus_grow_topic(shell->bus, name_of_id(log, shell->name_space, NAME_STREAM, shell->stream->job), partitions,
                       on_grown, shell, &err) != FANMAP_OK)
        on_grown(shell, NULL, &err);
}

/* ---- in ---- */

static void skip(worker_shell_t *shell, int32_t lane, const bus_record_t *record)
{
    worker_event_t event = {.type = WORKER_ITEM, .more = true};
    event.item.lane = lane;
    event.item.offset = record->offset;
    event.item.is_skipped = true;
    shell_step(shell, &event);
}

void shell_stream_item(worker_shell_t *shell, int32_t lane, const bus_record_t *record)
{
    fanmap_error_t err;
    worker_event_t event = {.type = WORKER_ITEM, .more = true};
    int64_t now_ms = -1;
    (void)bus_clock(shell->bus, &now_ms);
    stream_verdict_t verdict = stream_judge(&shell->stream->terms, record, now_ms);
    if (verdict == STREAM_SKIP) {
        skip(shell, lane, record);
        return;
    }
    stream_record_t *kept = stream_record_new(shell, record, &event.item.bad);
    if (!kept) {
        err_set(&err, FANMAP_ENOMEM, "out of memory");
        shell_fail(shell, &err);
        return;
    }
    if (verdict == STREAM_REFUSE)
        event.item.bad = "it has no value (--tombstones fail)";
    event.item.lane = lane;
    event.item.offset = record->offset;
    event.item.key = stream_record_key(kept);
    event.item.key_len = kept->key_len;
    event.item.value = stream_record_in(kept);
    event.item.value_len = kept->in_len;
    event.item.beside_len = kept->key_len + kept->value_len + kept->headers_len;
    event.item.payload = kept;
    event.appended_ms = record->appended_ms;
    shell_step(shell, &event);
}

void shell_stream_context(worker_shell_t *shell, const worker_action_t *a, slot_run_t *ret_run)
{
    const stream_record_t *record = a->run.payload;
    buf_t *b = &shell->stream_context;
    const record_context_t context = {.topic = shell->stream->from,
                                      .topic_len = strlen(shell->stream->from),
                                      .partition = record->partition,
                                      .offset = (int64_t)a->run.index,
                                      .timestamp_ms = record->timestamp_ms,
                                      .key = stream_record_key(record),
                                      .key_len = record->key_len,
                                      .schema_id = record->schema_id,
                                      .headers_n = record->headers_n};
    buf_clear(b);
    record_context_put(b, &context, stream_record_headers(record), record->headers_len);
    ret_run->context = b->data;
    ret_run->context_len = b->failed ? 0 : b->len;
}

void shell_stream_free(worker_shell_t *shell)
{
    spares_free(&shell->stream_spares);
    free(shell->stream);
    buf_free(&shell->stream_context);
    buf_free(&shell->stream_text);
    buf_free(&shell->stream_in);
    buf_free(&shell->stream_headers);
}

/* ---- out ---- */

/* May the output topic find it too large, or JSON not hold it? Then who writes the output makes an error of it. */
static bool may_be_refused(worker_shell_t *shell, const stream_record_t *record, const outcome_t *outcome)
{
    enum { BYTES_MAX = 1000000, OUR_HEADERS_BYTES = 2048 };
    fanmap_error_t err;
    const spec_t *spec = shell->stream;
    uint32_t max = spec->to_bytes_max > 0 ? spec->to_bytes_max : BYTES_MAX;
    if (!spec->to[0] || !spec->errors_to[0])
        return false; /* nobody asks for the record */
    if (stream_value(&shell->stream_text, spec->out_format, outcome->value, outcome->value_len, &err) != FANMAP_OK)
        return true;
    return stream_record_bytes(record->key_len, shell->stream_text.len, record->headers_len, record->headers_n) +
               OUR_HEADERS_BYTES >
           max;
}

void shell_stream_publish(worker_shell_t *shell, const worker_action_t *a)
{
    const worker_source_t *source = &a->publish.source;
    const stream_record_t *record = source->payload;
    const outcome_t *outcome = &a->publish.outcome;
    stream_outcome_t entry = {.prev = source->prev, .key = source->has_key ? source->key : NULL, .outcome = *outcome};
    size_t more = outcome->value_len + outcome->message_len + outcome->stderr_len + outcome->stdout_len;
    if (record) {
        entry.timestamp_ms = record->timestamp_ms;
        entry.source_key = stream_record_key(record);
        entry.source_key_len = record->key_len;
        entry.headers_n = record->headers_n;
        entry.has_source = outcome->kind != FANMAP_VALUE || may_be_refused(shell, record, outcome);
        entry.source = record->value;
        entry.source_len = record->value_len;
        more += record->key_len + record->headers_len + (entry.has_source ? record->value_len : 0);
    }
    inflight_t *pack = shell_pack(shell, a->publish.spec->job, shell->stream_log, source->partition, more);
    if (!pack)
        return;
    pack->is_stream = true;
    pack->whole = source->whole > pack->whole ? source->whole : pack->whole;
    streamlog_put(&pack->body, &entry, record ? stream_record_headers(record) : NULL, record ? record->headers_len : 0);
    shell_pack_keep(shell, pack, a->publish.item);
}

void shell_stream_pass(worker_shell_t *shell, const worker_action_t *a)
{
    inflight_t *pack = shell_pack(shell, a->pass.spec->job, shell->stream_log, a->pass.partition, 0);
    if (!pack)
        return;
    pack->is_stream = true;
    pack->whole = a->pass.whole > pack->whole ? a->pass.whole : pack->whole;
}
