/* What a worker stores. Outcomes of one job that are ready together travel in one record: a pack is sent when it is
 * full, at once when nothing is under way, and else after a linger of a millisecond. Every record carries a cookie, the
 * sent_t that says what the report of its storing means.
 *
 * What can fail: the bus is full (the record waits in `unsent`, in order), or the broker finds a pack too large: then
 * its outcomes go one by one, and one that is too large alone becomes a `too_large` outcome.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "schemas/item.h"
#include "schemas/names.h"
#include "worker/shell/internal.h"

typedef enum { SENT_PACK, SENT_END_COPY, SENT_END, SENT_DEAD, SENT_NOTE } sent_type_t;

struct sent {
    sent_type_t type;
    sent_t *next, *next_made;
    bus_topic_t *topic;
    int32_t partition;
    char key[JOB_ID_MAX + 17];
    size_t key_len;
    char job[JOB_ID_MAX + 1];
    int32_t from_lane; /* DEAD */
    char from[2][24];  /* DEAD: partition and offset */
    const char *why;
    buf_t body, value;     /* DEAD: body is the key */
    uint32_t count;        /* outcomes in body */
    int64_t began_ms;      /* of the first outcome */
    worker_item_t **items; /* PACK, DEAD */
    size_t items_n, items_cap;
};

static sent_t *sent_make(worker_shell_t *shell)
{
    sent_t *sent = calloc(1, sizeof *sent);
    if (!sent)
        return NULL;
    sent->next_made = shell->made;
    shell->made = sent;
    return sent;
}

static sent_t *sent_new(worker_shell_t *shell, sent_type_t type)
{
    fanmap_error_t err;
    sent_t *sent = shell->spare;
    if (sent)
        shell->spare = sent->next;
    else
        sent = sent_make(shell);
    if (!sent) {
        err_set(&err, FANMAP_ENOMEM, "out of memory");
        shell_fail(shell, &err);
        return NULL;
    }
    sent->type = type;
    sent->next = NULL;
    sent->count = 0;
    sent->items_n = 0;
    buf_clear(&sent->body);
    buf_clear(&sent->value);
    return sent;
}

/* Large values must not stay behind in packs that are used again. */
static void sent_reuse(worker_shell_t *shell, sent_t *sent)
{
    if (sent->body.cap > 2 * PACK_BYTES)
        buf_free(&sent->body);
    if (sent->value.cap > 2 * PACK_BYTES)
        buf_free(&sent->value);
    sent->next = shell->spare;
    shell->spare = sent;
}

/* Also those under way, of which the bus will say nothing any more. */
void shell_free_packs(worker_shell_t *shell)
{
    while (shell->made) {
        sent_t *sent = shell->made;
        shell->made = sent->next_made;
        buf_free(&sent->body);
        buf_free(&sent->value);
        free(sent->items);
        free(sent);
    }
    shell->open = shell->unsent = shell->spare = NULL;
}

static bool keep_item(sent_t *sent, worker_item_t *item)
{
    if (sent->items_n == sent->items_cap) {
        size_t cap = sent->items_cap ? 2 * sent->items_cap : 64;
        worker_item_t **items = realloc(sent->items, cap * sizeof(worker_item_t *));
        if (!items)
            return false;
        sent->items = items;
        sent->items_cap = cap;
    }
    sent->items[sent->items_n++] = item;
    return true;
}

/* ---- sending ---- */

/* Where a dead letter came from, and why it is one: schemas/README.md. */
static size_t origin_headers(const sent_t *sent, const char *topic, bus_header_t *ret)
{
    static const char *const names[] = {"fanmap.topic", "fanmap.partition", "fanmap.offset", "fanmap.reason",
                                        "fanmap.stage"};
    const char *texts[] = {topic, sent->from[0], sent->from[1], sent->why, "worker"};
    size_t n = sizeof names / sizeof names[0];
    for (size_t i = 0; i < n; i++)
        ret[i] = (bus_header_t){names[i], texts[i], strlen(texts[i])};
    return n;
}

static int try_send(worker_shell_t *shell, sent_t *sent)
{
    fanmap_error_t err;
    bus_header_t headers[BUS_HEADERS_MAX];
    char topic[TOPIC_NAME_MAX];
    bool is_dead = sent->type == SENT_DEAD;
    if (is_dead)
        shell_items_name(shell, sent->from_lane, topic);
    size_t headers_n = is_dead ? origin_headers(sent, topic, headers) : 0;
    int r = bus_produce_with(sent->topic, sent->partition, is_dead ? (const char *)sent->body.data : sent->key,
                             is_dead ? sent->body.len : sent->key_len, sent->value.data, sent->value.len, headers,
                             headers_n, (uint64_t)(uintptr_t)sent, &err);
    if (r == FANMAP_OK)
        shell->under_way++;
    else if (r != FANMAP_AGAIN)
        shell_fail(shell, &err);
    return r;
}

static void send_unsent(worker_shell_t *shell)
{
    while (shell->unsent) {
        sent_t *sent = shell->unsent;
        if (try_send(shell, sent) != FANMAP_OK)
            return;
        shell->unsent = sent->next;
        if (!shell->unsent)
            shell->unsent_last = &shell->unsent;
    }
}

static void send(worker_shell_t *shell, sent_t *sent)
{
    fanmap_error_t err;
    sent->next = NULL;
    if (sent->value.failed || sent->body.failed) {
        err_set(&err, FANMAP_ENOMEM, "out of memory");
        shell_fail(shell, &err);
        sent_reuse(shell, sent);
        return;
    }
    if (!shell->unsent && try_send(shell, sent) == FANMAP_OK)
        return;
    *shell->unsent_last = sent;
    shell->unsent_last = &sent->next;
}

static void send_pack(worker_shell_t *shell, sent_t *pack)
{
    joblog_encode_pack(&pack->value, pack->body.data, pack->body.len, pack->count);
    if (pack->body.cap > 2 * PACK_BYTES && !pack->body.failed)
        buf_free(&pack->body);
    shell->publishing_bytes += pack->value.len;
    shell_intake(shell);
    send(shell, pack);
}

/* ---- packs ---- */

/* The open pack of a job, moved to the front; NULL: out of memory. */
static sent_t *open_pack(worker_shell_t *shell, const spec_t *spec)
{
    for (sent_t **at = &shell->open; *at; at = &(*at)->next) {
        sent_t *pack = *at;
        if (strcmp(pack->key, spec->job) != 0)
            continue;
        *at = pack->next;
        pack->next = shell->open;
        shell->open = pack;
        return pack;
    }
    sent_t *pack = sent_new(shell, SENT_PACK);
    if (!pack)
        return NULL;
    pack->topic = shell->results;
    pack->partition = (int32_t)spec->results_partition;
    pack->key_len = strlen(spec->job);
    memcpy(pack->key, spec->job, pack->key_len + 1);
    pack->began_ms = loop_now_ms(shell->loop);
    pack->next = shell->open;
    shell->open = pack;
    return pack;
}

static void close_front(worker_shell_t *shell)
{
    sent_t *pack = shell->open;
    shell->open = pack->next;
    send_pack(shell, pack);
}

static void put_outcome(worker_shell_t *shell, const spec_t *spec, worker_item_t *item, const outcome_t *outcome)
{
    fanmap_error_t err;
    sent_t *pack = open_pack(shell, spec);
    size_t more = outcome->value_len + outcome->message_len + outcome->stderr_len;
    if (pack && pack->count > 0 && pack->body.len + more > PACK_BYTES) {
        close_front(shell);
        pack = open_pack(shell, spec);
    }
    if (!pack)
        return;
    joblog_put_outcome(&pack->body, outcome);
    pack->count++;
    if (!keep_item(pack, item)) {
        err_set(&err, FANMAP_ENOMEM, "out of memory");
        shell_fail(shell, &err);
    }
    if (pack->body.len >= PACK_BYTES)
        close_front(shell);
}

void shell_publish(worker_shell_t *shell, const worker_action_t *a)
{
    if (shell->callbacks.publishes)
        shell->callbacks.publishes(shell->arg, a->publish.spec);
    put_outcome(shell, a->publish.spec, a->publish.item, &a->publish.outcome);
}

void shell_send_packs(worker_shell_t *shell, bool all)
{
    int64_t now = loop_now_ms(shell->loop), next = INT64_MAX;
    sent_t **at = &shell->open;
    send_unsent(shell);
    while (*at) {
        sent_t *pack = *at;
        int64_t due = pack->began_ms + PACK_LINGER_MS;
        if (all || shell->under_way == 0 || due <= now) {
            *at = pack->next;
            send_pack(shell, pack);
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

/* ---- the other records ---- */

static void send_record(worker_shell_t *shell, sent_t *sent, bus_topic_t *topic, int32_t partition)
{
    sent->topic = topic;
    sent->partition = partition;
    send(shell, sent);
}

void shell_copy_end(worker_shell_t *shell, const worker_action_t *a)
{
    sent_t *sent = sent_new(shell, SENT_END_COPY);
    if (!sent)
        return;
    memcpy(sent->job, a->end.spec->job, sizeof sent->job);
    sent->key_len = jobs_key(sent->key, sizeof sent->key, sent->job, JOBS_END);
    jobs_encode_end(&sent->value, a->end.reason);
    send_record(shell, sent, shell->jobs, 0);
}

void shell_write_end(worker_shell_t *shell, const worker_action_t *a)
{
    sent_t *sent = sent_new(shell, SENT_END);
    if (!sent)
        return;
    memcpy(sent->job, a->end.spec->job, sizeof sent->job);
    sent->key_len = strlen(sent->job);
    memcpy(sent->key, sent->job, sent->key_len + 1);
    joblog_encode_end(&sent->value, a->end.reason);
    send_record(shell, sent, shell->results, (int32_t)a->end.spec->results_partition);
}

void shell_dead_letter(worker_shell_t *shell, const worker_action_t *a)
{
    sent_t *sent = sent_new(shell, SENT_DEAD);
    if (!sent || !keep_item(sent, a->dead.item))
        return;
    sent->from_lane = a->dead.lane;
    (void)snprintf(sent->from[0], sizeof sent->from[0], "%d", (int)shell_partition_of(shell, a->dead.lane));
    (void)snprintf(sent->from[1], sizeof sent->from[1], "%lld", (long long)a->dead.offset);
    sent->why = a->dead.why;
    buf_append(&sent->value, a->dead.value, a->dead.value_len);
    buf_append(&sent->body, a->dead.key, a->dead.key_len);
    send_record(shell, sent, shell->dead, 0);
}

void shell_tell(worker_shell_t *shell, const worker_action_t *a)
{
    item_t note = {.type = a->tell.is_done ? ITEM_DONE_NOTE : ITEM_RELEASE_NOTE,
                   .done_offset = a->tell.offset,
                   .partition = a->tell.partition,
                   .attempts = a->tell.attempts,
                   .charges = a->tell.charges};
    sent_t *sent = sent_new(shell, SENT_NOTE);
    if (!sent)
        return;
    memcpy(note.member, a->tell.member, sizeof note.member);
    item_encode_note(&sent->value, &note);
    sent->key_len = strlen(a->tell.job);
    memcpy(sent->key, a->tell.job, sent->key_len + 1);
    send_record(shell, sent, shell_items_of(shell, a->tell.lane), a->tell.partition);
}

/* ---- reports ---- */

/* The broker will never take this pack: its outcomes go one by one, and what is too large alone says so. */
static void split(worker_shell_t *shell, sent_t *pack)
{
    static const char why[] = "the broker refuses a record of this size";
    joblog_record_t record;
    outcome_t outcome;
    spec_t spec = {.results_partition = (uint32_t)pack->partition};
    memcpy(spec.job, pack->key, pack->key_len + 1);
    if (!joblog_decode(pack->value.data, pack->value.len, &record))
        return;
    for (size_t i = 0; i < pack->items_n && joblog_next_outcome(&record, &outcome); i++) {
        if (pack->count == 1)
            outcome = (outcome_t){.index = outcome.index,
                                  .attempts = outcome.attempts,
                                  .kind = FANMAP_TOO_LARGE,
                                  .message = why,
                                  .message_len = sizeof why - 1};
        put_outcome(shell, &spec, pack->items[i], &outcome);
        close_front(shell);
    }
}

static void tell_stored(worker_shell_t *shell, sent_t *sent)
{
    worker_event_t event = {.type = WORKER_STORED};
    switch (sent->type) {
    case SENT_PACK:
    case SENT_DEAD:
        event.stored.items = sent->items;
        event.stored.n = sent->items_n;
        break;
    case SENT_END_COPY:
        event.type = WORKER_END_STORED;
        event.end_stored.job = sent->job;
        break;
    case SENT_END:
        event.type = WORKER_END_WRITTEN;
        event.end_stored.job = sent->job;
        break;
    case SENT_NOTE:
        return;
    }
    shell_step(shell, &event);
}

void shell_delivered(void *arg, uint64_t cookie, int32_t partition, int64_t offset, const fanmap_error_t *err)
{
    worker_shell_t *shell = arg;
    sent_t *sent = (sent_t *)(uintptr_t)cookie;
    (void)partition;
    (void)offset;
    shell->under_way--;
    if (sent->type == SENT_PACK) {
        shell->publishing_bytes -= sent->value.len;
        shell_intake(shell);
    }
    if (err && sent->type == SENT_PACK)
        split(shell, sent);
    else if (err && sent->type != SENT_DEAD)
        shell_fail(shell, err);
    else
        tell_stored(shell, sent); /* a dead letter that is too large is counted and logged, and holds nothing up */
    sent_reuse(shell, sent);
    shell_dirty(shell);
}
