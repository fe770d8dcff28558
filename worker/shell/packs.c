/* Outcomes of one job that are ready together travel in one record: a pack is sent when it is full, at once when nothing
 * is under way and it is small, and else after a linger of a few milliseconds. One that has many already waits for more of
 * them, whatever is under way: a broker that answers fast would else be sent many small ones. What a stream's outcomes are
 * gathered for is a transaction of many times that linger: they always wait for others, longer where they are many, and those of
 * all its partitions go together, so that who reads them wakes once.
 *
 * What can fail: the broker finds a pack too large: then its outcomes go one by one, and one that is too large alone
 * becomes a `too_large` outcome. Whatever else Kafka has against a record is no fault of the outcome's: held.c.
 */
#include <string.h>

#include "schemas/streamlog.h"
#include "worker/shell/inflight.h"

enum {
    PACK_LEAST_BYTES = 256, /* more than a `too_large` outcome of which all is left out */
    LINGER_MS = 4,          /* while others are under way */
    LINGER_MAX_MS = 8,
    OUTCOMES_A_MS = 64, /* a pack that gets more than this waits for more */
    STREAM_LINGER_MS = 8,
    STREAM_LINGER_MAX_MS = 40,
    STREAM_OUTCOMES_A_MS = 128 /* of all partitions together */
};

static size_t bytes_max(const worker_shell_t *shell)
{
    return shell->stream ? STREAM_PACK_BYTES : PACK_BYTES;
}

static void pack_send(worker_shell_t *shell, inflight_t *pack)
{
    if (pack->is_stream)
        streamlog_encode(&pack->value, pack->whole, pack->body.data, pack->body.len, pack->count);
    else if (shell->config.name)
        joblog_encode_worker_pack(&pack->value, &pack->body, pack->count, shell->config.name, &pack->waits);
    else
        joblog_encode_pack(&pack->value, pack->body.data, pack->body.len, pack->count);
    if (pack->body.cap > 2 * bytes_max(shell) && !pack->body.failed)
        buf_free(&pack->body);
    shell->publishing_bytes += pack->value.len;
    shell_intake(shell);
    inflight_send(shell, pack);
}

/* The open pack of a job's partition, moved to the front; NULL: out of memory. */
static inflight_t *pack_open(worker_shell_t *shell, const char *job, bus_topic_t *topic, int32_t partition)
{
    for (inflight_t **at = &shell->open; *at; at = &(*at)->next) {
        inflight_t *pack = *at;
        if (strcmp(pack->key, job) != 0 || pack->partition != partition)
            continue;
        *at = pack->next;
        pack->next = shell->open;
        shell->open = pack;
        return pack;
    }
    inflight_t *pack = inflight_new(shell, INFLIGHT_PACK);
    if (!pack)
        return NULL;
    pack->topic = topic;
    pack->partition = partition;
    pack->key_len = strlen(job);
    memcpy(pack->key, job, pack->key_len + 1);
    pack->began_ms = loop_now_ms(shell->loop);
    pack->next = shell->open;
    shell->open = pack;
    return pack;
}

static void pack_close_front(worker_shell_t *shell)
{
    inflight_t *pack = shell->open;
    shell->open = pack->next;
    pack_send(shell, pack);
}

inflight_t *shell_pack(worker_shell_t *shell, const char *job, bus_topic_t *topic, int32_t partition, size_t more)
{
    inflight_t *pack = pack_open(shell, job, topic, partition);
    if (pack && pack->count > 0 && pack->body.len + more > bytes_max(shell)) {
        pack_close_front(shell);
        pack = pack_open(shell, job, topic, partition);
    }
    return pack;
}

static void keep(worker_shell_t *shell, inflight_t *pack, worker_item_t *item)
{
    fanmap_error_t err;
    pack->count++;
    if (!inflight_keep_item(pack, item)) {
        err_set(&err, FANMAP_ENOMEM, "out of memory");
        shell_fail(shell, &err);
    }
}

void shell_pack_keep(worker_shell_t *shell, inflight_t *pack, worker_item_t *item)
{
    keep(shell, pack, item);
    if (pack->body.len >= bytes_max(shell))
        pack_close_front(shell);
}

/* Into the pack in front, which is given; NULL: out of memory. */
static inflight_t *put_outcome(worker_shell_t *shell, const spec_t *spec, worker_item_t *item, const outcome_t *outcome)
{
    size_t more = outcome->value_len + outcome->message_len + outcome->stderr_len + outcome->stdout_len;
    inflight_t *pack = shell_pack(shell, spec->job, shell->results, (int32_t)spec->results_partition, more);
    if (!pack)
        return NULL;
    joblog_put_outcome(&pack->body, outcome);
    if (shell->config.name)
        joblog_put_wait(&pack->waits, outcome);
    keep(shell, pack, item);
    return pack;
}

void shell_publish(worker_shell_t *shell, const worker_action_t *a)
{
    if (shell->callbacks.publishes)
        shell->callbacks.publishes(shell->arg, a->publish.spec);
    inflight_t *pack = put_outcome(shell, a->publish.spec, a->publish.item, &a->publish.outcome);
    if (pack && pack->body.len >= bytes_max(shell))
        pack_close_front(shell);
}

static int64_t due_ms(const worker_shell_t *shell, const inflight_t *pack)
{
    int64_t linger_ms = pack->count / OUTCOMES_A_MS;
    if (linger_ms < LINGER_MS && shell->under_way > 0)
        linger_ms = LINGER_MS;
    return pack->began_ms + (linger_ms < LINGER_MAX_MS ? linger_ms : LINGER_MAX_MS);
}

/* When those of a stream are due, all of them. */
static int64_t stream_due_ms(const worker_shell_t *shell)
{
    int64_t first_ms = INT64_MAX, linger_ms = STREAM_LINGER_MS, count = 0;
    for (const inflight_t *pack = shell->open; pack; pack = pack->next) {
        first_ms = pack->began_ms < first_ms ? pack->began_ms : first_ms;
        count += pack->count;
    }
    linger_ms += count / STREAM_OUTCOMES_A_MS;
    return first_ms == INT64_MAX ? first_ms
                                 : first_ms + (linger_ms < STREAM_LINGER_MAX_MS ? linger_ms : STREAM_LINGER_MAX_MS);
}

void shell_send_packs(worker_shell_t *shell, bool all)
{
    int64_t now = loop_now_ms(shell->loop), next = INT64_MAX, stream_due = shell->stream ? stream_due_ms(shell) : 0;
    inflight_t **at = &shell->open;
    shell_send_unsent(shell);
    while (*at) {
        inflight_t *pack = *at;
        int64_t due = shell->stream ? stream_due : due_ms(shell, pack);
        if (all || due <= now) {
            *at = pack->next;
            pack_send(shell, pack);
            continue;
        }
        next = due < next ? due : next;
        at = &pack->next;
    }
    if (next != INT64_MAX)
        loop_timer_at(shell->linger, next);
    bus_flush_soon(shell->bus);
}

void shell_on_linger(void *arg)
{
    shell_send_packs(arg, false);
}

/* ---- reports ---- */

static outcome_t too_large(const outcome_t *outcome)
{
    static const char why[] = "the broker refuses a record of this size";
    return (outcome_t){.index = outcome->index,
                       .attempts = outcome->attempts,
                       .kind = FANMAP_TOO_LARGE,
                       .has_wait = outcome->has_wait,
                       .wait_ms = outcome->wait_ms,
                       .message = why,
                       .message_len = sizeof why - 1};
}

/* The broker finds this pack too large: its outcomes go one by one, and what is too large alone says so. */
static void split_pack(worker_shell_t *shell, inflight_t *pack)
{
    joblog_record_t record;
    outcome_t outcome;
    spec_t spec = {.results_partition = (uint32_t)pack->partition};
    memcpy(spec.job, pack->key, pack->key_len + 1);
    if (!joblog_decode(pack->value.data, pack->value.len, &record))
        return;
    for (size_t i = 0; i < pack->items_n && joblog_next_outcome(&record, &outcome); i++) {
        if (pack->count == 1)
            outcome = too_large(&outcome);
        if (!put_outcome(shell, &spec, pack->items[i], &outcome))
            return;
        pack_close_front(shell);
    }
}

/* A value becomes an error, with which the record goes that may stand beside it. Of an error's record the value is left out, then its
 * headers, then its key, and at last what the task said. */
static void make_smaller(stream_outcome_t *entry)
{
    bool is_value = entry->outcome.kind == FANMAP_VALUE;
    if (!is_value && entry->has_source) {
        entry->has_source = false;
    } else if (!is_value && entry->headers_n > 0) {
        entry->headers_n = 0;
    } else if (!is_value && entry->source_key) {
        entry->source_key = NULL;
        entry->source_key_len = 0;
    } else {
        entry->outcome = too_large(&entry->outcome);
    }
}

/* The same of a stream. */
static void split_stream_pack(worker_shell_t *shell, inflight_t *pack)
{
    streamlog_pack_t log;
    stream_outcome_t entry;
    if (!streamlog_decode(pack->value.data, pack->value.len, &log))
        return;
    for (size_t i = 0; i < pack->items_n && streamlog_next(&log, &entry); i++) {
        if (pack->count == 1)
            make_smaller(&entry);
        mp_reader_t end = entry.headers;
        mp_skip_fields(&end, 2 * entry.headers_n);
        inflight_t *one = shell_pack(shell, pack->key, pack->topic, pack->partition, 0);
        if (!one)
            return;
        one->is_stream = true;
        one->whole = log.whole > one->whole ? log.whole : one->whole; /* an open pack may say more already */
        streamlog_put(&one->body, &entry, entry.headers.at, (size_t)(end.at - entry.headers.at));
        keep(shell, one, pack->items[i]);
        pack_close_front(shell);
    }
}

static void report_stored(worker_shell_t *shell, inflight_t *inflight)
{
    worker_event_t event = {.type = WORKER_STORED};
    switch (inflight->type) {
    case INFLIGHT_PACK:
    case INFLIGHT_DEAD:
    case INFLIGHT_COPY:
        event.stored.items = inflight->items;
        event.stored.n = inflight->items_n;
        break;
    case INFLIGHT_END_COPY:
        event.type = WORKER_END_STORED;
        event.end_stored.job = inflight->job;
        break;
    case INFLIGHT_END:
        event.type = WORKER_END_WRITTEN;
        event.end_stored.job = inflight->job;
        break;
    case INFLIGHT_NOTE:
        return;
    case INFLIGHT_CLOCK: /* the bus has learned from it */
        event.type = WORKER_TICK;
        break;
    }
    shell_step(shell, &event);
}

/* Something can be done about its being too large. A pack that is as small as they get waits until the topic takes it. */
static bool is_divisible(const inflight_t *inflight)
{
    return inflight->type == INFLIGHT_DEAD ||
           (inflight->type == INFLIGHT_PACK && inflight->value.len > PACK_LEAST_BYTES);
}

void shell_delivered(void *arg, uint64_t cookie, int32_t partition, int64_t offset, const fanmap_error_t *err)
{
    worker_shell_t *shell = arg;
    inflight_t *inflight = (inflight_t *)(uintptr_t)cookie;
    (void)partition;
    (void)offset;
    shell->under_way--;
    if (err && inflight->type == INFLIGHT_COPY) { /* the item runs here after all */
        shell_step(shell, &(worker_event_t){.type = WORKER_NOT_HANDED, .stored = {inflight->items, inflight->items_n}});
        inflight_reuse(shell, inflight);
        return;
    }
    if (err && (err->code != FANMAP_EUSAGE || !is_divisible(inflight))) {
        inflight_hold(shell, inflight, err);
        return;
    }
    if (inflight->type == INFLIGHT_PACK) {
        shell->publishing_bytes -= inflight->value.len;
        shell_intake(shell);
    }
    if (!err)
        shell_held_stored(shell);
    if (err && inflight->type == INFLIGHT_PACK && inflight->is_stream)
        split_stream_pack(shell, inflight);
    else if (err && inflight->type == INFLIGHT_PACK)
        split_pack(shell, inflight);
    else
        report_stored(shell,
                      inflight); /* a dead letter that is too large is counted and logged, and holds nothing up */
    inflight_reuse(shell, inflight);
    shell_dirty(shell);
}
