/* Golden timelines of the worker's core: tests/unit/golden/worker/NAME.txt holds events (lines that begin with "> ")
 * and, below each, the actions that it must cause. With FANMAP_GOLDEN_UPDATE=1 the files are written anew; read the
 * difference before it is committed.
 *
 *   > stopped MS                             time in which the worker is told nothing
 *   > at MS                                  time, also for the wall clock (which stands 1000 s ahead)
 *   > config slots=K ahead=N ...             before everything else
 *   > job ID [n= batch= within= retries= timeout= deadline= failfast= backoff= task= nonce=]    J/spec
 *   > limit ID N VERSION | pause ID 0|1 VERSION | end ID
 *   > assigned P OFFSET none|again|MARKS     no commit; the last one seen of P; or "done A-B", "count OFFSET ATTEMPTS CHARGES",
 *                                            "name OFFSET MEMBER", "horizon OFFSET", "unclean"; the first commit is accepted
 *                                            unless it is "slow"
 *   > member ID                              ours at the next assignment
 *   > members ID... | members failed         the answer to describe
 *   > revoked P [wait] | lost | rebalanced
 *   > item P OFFSET JOB INDEX [again: it was fetched] | over P - LOW: of what was fetched
 *   > junk P OFFSET | note P OFFSET CLAIMED MEMBER [released] | gap P FROM TO
 *   > up S | done S N value|fail|final|whole US | down S WHY N|- UNSTARTED | taken S N | back S FROM TO
 *   > stored P OFFSET... | committed P OFFSET ok|no | position end | endstored ID | endwritten ID
 *   > tokens JOB ALLOW HELD FENCE [learning] [run=X] [free=N] | tokens JOB failed | wake JOB
 *   > tick | drain | metrics | settle        "more" behind an item or a done: its turn goes on
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "schemas/item.h"
#include "worker/core/state.h"

enum { SLOTS_MAX = 8, PARTS_MAX = 4, ITEMS_MAX = 256, PAYLOADS_MAX = 1024, SUBMITTER_OFF_MS = 7200000 };

typedef struct {
    worker_t *worker;
    worker_config_t config;
    worker_actions_t actions;
    int64_t now_ms;
    buf_t out;
    uint32_t run_n[SLOTS_MAX];
    struct {
        int32_t partition;
        int64_t offset;
        worker_item_t *item;
    } publishing[ITEMS_MAX];
    size_t publishing_n;
    uint64_t seq, described, commits[PARTS_MAX];
    const char *member;
    buf_t metadata[PARTS_MAX];
    uint8_t *payloads[PAYLOADS_MAX];
    size_t payloads_n, payloads_held;
} world_t;

static const char *const kind_names[] = {"value",    "exception", "exit",    "signal",    "timeout",   "memory",
                                         "protocol", "crashed",   "unknown", "bad_input", "too_large", "cancelled"};
static const char *const task_names[] = {"square", "other"};

static void say(world_t *x, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(world_t *x, const char *format, ...)
{
    char line[512];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    buf_printf(&x->out, "    %s\n", line);
}

static worker_t *the_worker(world_t *x)
{
    if (x->worker == NULL)
        x->worker = worker_new(&x->config);
    assert_non_null(x->worker);
    return x->worker;
}

/* ---- actions ---- */

static void say_metadata(world_t *x, int32_t partition, int64_t offset, const char *text, size_t len)
{
    commit_decoded_t decoded;
    buf_clear(&x->metadata[partition]);
    buf_append(&x->metadata[partition], text, len);
    assert_true(commit_decode(text, len, offset, &decoded));
    const commit_meta_t *meta = &decoded.meta;
    if (meta->clean)
        buf_append_text(&x->out, " clean");
    if (meta->mark >= 0)
        buf_printf(&x->out, " mark %lld", (long long)meta->mark);
    for (uint32_t i = 0; i < meta->names_n; i++) {
        const char *member = meta->members[meta->names[i].member];
        bool is_mine = strcmp(member, x->worker->member) == 0;
        buf_printf(&x->out, " runs %lld%s%s", (long long)meta->names[i].offset, is_mine ? "" : " at ",
                   is_mine ? "" : member);
    }
    for (uint32_t i = 0; i < meta->counts_n; i++)
        buf_printf(&x->out, " count %lld %u %u", (long long)meta->counts[i].offset, meta->counts[i].attempts,
                   meta->counts[i].charges);
    for (uint32_t i = 0; i < meta->done_n; i++)
        buf_printf(&x->out, " done %lld-%lld", (long long)meta->done[i].from, (long long)meta->done[i].to - 1);
    commit_decoded_free(&decoded);
}

static void remember(world_t *x, worker_item_t *item, int32_t partition, int64_t offset)
{
    assert_true(x->publishing_n < ITEMS_MAX);
    x->publishing[x->publishing_n].item = item;
    x->publishing[x->publishing_n].partition = partition;
    x->publishing[x->publishing_n++].offset = offset;
}

static void say_commit(world_t *x, const worker_action_t *a)
{
    buf_printf(&x->out, "    commit %d at %lld%s:", a->commit.lane, (long long)a->commit.offset,
               a->commit.is_closing ? " closing" : "");
    say_metadata(x, a->commit.lane, a->commit.offset, a->commit.metadata, a->commit.metadata_len);
    buf_append_text(&x->out, "\n");
    x->commits[a->commit.lane] = a->commit.number;
}

static void say_run(world_t *x, const worker_action_t *a)
{
    uint32_t n = ++x->run_n[a->run.slot];
    worker_ran(x->worker, a->run.item, n);
    say(x, "run slot %u n %u: %s/%llu attempt %u fence %llu deadline %lld", a->run.slot, n, a->run.spec->job,
        (unsigned long long)a->run.index, a->run.attempt, (unsigned long long)a->run.fence,
        (long long)a->run.deadline_ms);
    if (a->run.call_n > 0)
        say(x, "  with it %u are one call", a->run.call_n);
}

static void say_sync(world_t *x, const tokens_request_t *r)
{
    x->seq = r->seq;
    say(x, "sync %s: keep %llu want %llu n %llu", r->job, (unsigned long long)r->keep, (unsigned long long)r->want,
        (unsigned long long)r->n);
}

static void say_publish(world_t *x, const worker_action_t *a)
{
    const outcome_t *o = &a->publish.outcome;
    remember(x, a->publish.item, a->publish.item->part->number, a->publish.item->offset);
    say(x, "publish %s/%llu %s attempts %u", a->publish.spec->job, (unsigned long long)o->index, kind_names[o->kind],
        o->attempts);
}

static void release(world_t *x, void *payload)
{
    for (size_t i = 0; i < x->payloads_n; i++)
        if (x->payloads[i] == payload) {
            free(x->payloads[i]);
            x->payloads[i] = NULL;
            x->payloads_held--;
            return;
        }
    fail_msg("a payload was given back twice");
}

static void say_action(world_t *x, const worker_action_t *a)
{
    switch (a->type) {
    case WORKER_RUN:
        say_run(x, a);
        break;
    case WORKER_TAKE_BACK:
        say(x, "take back slot %u", a->take_back.slot);
        break;
    case WORKER_KILL:
        say(x, "kill slot %u n %u%s", a->kill.slot, a->kill.n, a->kill.hard ? " hard" : "");
        break;
    case WORKER_FREEZE:
        say(x, "%s slot %u", a->freeze.on ? "freeze" : "thaw", a->freeze.slot);
        break;
    case WORKER_LAPSE:
        say(x, "lapse %u at %lld", a->lapse.job_key, (long long)(a->lapse.at_ms == INT64_MAX ? -1 : a->lapse.at_ms));
        break;
    case WORKER_HAND_OFF:
        remember(x, a->hand_off.item, a->hand_off.item->part->number, a->hand_off.item->offset);
        say(x, "hand %s/%llu to partition %d, hop %u", a->hand_off.job, (unsigned long long)a->hand_off.index,
            a->hand_off.partition, a->hand_off.hops);
        break;
    case WORKER_BEG:
        say(x, "beg for %u", a->beg.free_n);
        break;
    case WORKER_PUBLISH:
        say_publish(x, a);
        break;
    case WORKER_COMMIT:
        say_commit(x, a);
        break;
    case WORKER_LET_GO:
        say(x, "let go %d", a->let_go.lane);
        break;
    case WORKER_WITNESS:
        say(x, "witness %d: %lld at %lld", a->witness.lane, (long long)a->witness.offset, (long long)a->witness.ms);
        break;
    case WORKER_DESCRIBE:
        x->described = a->describe.number;
        say(x, "describe");
        break;
    case WORKER_WATCH:
        say(x, "watch %d %s", a->watch.lane, a->watch.on ? "on" : "off");
        break;
    case WORKER_FETCH:
        say(x, "fetch %d from %lld", a->fetch.lane, (long long)a->fetch.from);
        break;
    case WORKER_TELL:
        say(x, "tell %d/%lld %s of %s", a->tell.lane, (long long)a->tell.offset, a->tell.is_done ? "done" : "released",
            a->tell.member);
        break;
    case WORKER_JOIN_ANEW:
        say(x, "join anew");
        break;
    case WORKER_SYNC:
        say_sync(x, &a->sync.request);
        break;
    case WORKER_COPY_END:
        say(x, "copy end %s reason %d", a->end.spec->job, a->end.reason);
        break;
    case WORKER_WRITE_END:
        say(x, "write end %s reason %d", a->end.spec->job, a->end.reason);
        break;
    case WORKER_DEAD_LETTER:
        remember(x, a->dead.item, a->dead.lane, a->dead.offset);
        say(x, "dead letter %d/%lld: %s", a->dead.lane, (long long)a->dead.offset, a->dead.why);
        break;
    case WORKER_RELEASE:
        release(x, a->release.payload);
        break;
    case WORKER_INTAKE:
        say(x, "intake %s", a->intake.on ? "on" : "off");
        break;
    case WORKER_QUERY_JOBS_END:
        say(x, "query the end of jobs");
        break;
    case WORKER_NOTE:
        if (a->note.lane < 0)
            say(x, "note: %s", a->note.line);
        else
            say(x, "note: lane %d: %s", (int)a->note.lane, a->note.line);
        break;
    case WORKER_PASS:
        say(x, "pass %d: whole up to %lld", a->pass.lane, (long long)a->pass.whole);
        break;
    case WORKER_LANE:
        say(x, "lane %d %s", a->lane.lane, a->lane.on ? "on" : "off");
        break;
    case WORKER_DRAINED:
        say(x, "drained");
        break;
    }
}

static void step(world_t *x, worker_event_t *event)
{
    event->now_ms = x->now_ms;
    event->broker_ms = x->now_ms + 1000000;
    event->appended_ms = event->type == WORKER_ITEM ? event->appended_ms : event->broker_ms;
    worker_actions_clear(&x->actions);
    worker_step(the_worker(x), event, &x->actions);
    assert_false(x->actions.failed);
    for (size_t i = 0; i < x->actions.n; i++)
        say_action(x, &x->actions.at[i]);
}

/* ---- events ---- */

typedef struct {
    char *at[48];
    size_t n;
} words_t;

static const char *word(const words_t *words, size_t i)
{
    if (i >= words->n)
        fail_msg("line of %s: word %zu is missing", words->at[0], i);
    return words->at[i];
}

static int64_t number(const words_t *words, size_t i)
{
    return strtoll(word(words, i), NULL, 10);
}

static bool has(const words_t *words, const char *what)
{
    for (size_t i = 1; i < words->n; i++)
        if (strcmp(words->at[i], what) == 0)
            return true;
    return false;
}

/* NAME=VALUE; `or` when it is not there. */
static int64_t option(const words_t *words, const char *name, int64_t or)
{
    size_t len = strlen(name);
    for (size_t i = 1; i < words->n; i++)
        if (strncmp(words->at[i], name, len) == 0 && words->at[i][len] == '=')
            return strtoll(words->at[i] + len + 1, NULL, 10);
    return or ;
}

static const char *text_option(const words_t *words, const char *name, const char * or)
{
    size_t len = strlen(name);
    for (size_t i = 1; i < words->n; i++)
        if (strncmp(words->at[i], name, len) == 0 && words->at[i][len] == '=')
            return words->at[i] + len + 1;
    return or ;
}

static void do_config(world_t *x, const words_t *words)
{
    x->config.slots_n = (uint32_t)option(words, "slots", x->config.slots_n);
    x->config.ahead_n = (uint32_t)option(words, "ahead", x->config.ahead_n);
    x->config.items_max = (size_t)option(words, "items", (int64_t)x->config.items_max);
    x->config.item_bytes_max = (uint32_t)option(words, "itemmax", 0);
    x->config.budget_bytes = (size_t)option(words, "budget", (int64_t)x->config.budget_bytes);
    x->config.session_ms = (uint32_t)option(words, "session", 0);
    x->config.names_max = (uint32_t)option(words, "names", 0);
    x->config.can_fetch = option(words, "fetch", 0) != 0;
    x->config.has_tokens = option(words, "tokens", 1) != 0;
    x->config.has_handoff = option(words, "handoff", 0) != 0;
    x->config.seed = (uint64_t)option(words, "seed", 1);
}

static void do_job(world_t *x, const words_t *words)
{
    jobs_record_t record = {.field = JOBS_SPEC};
    spec_t *spec = &record.spec;
    spec_init(spec);
    snprintf(record.job, sizeof record.job, "%s", word(words, 1));
    snprintf(spec->job, sizeof spec->job, "%s", word(words, 1));
    snprintf(spec->task, sizeof spec->task, "%s", text_option(words, "task", "square"));
    snprintf(spec->nonce, sizeof spec->nonce, "%s", text_option(words, "nonce", "N"));
    spec->concurrency = (uint64_t)option(words, "n", 0);
    spec->batch_n = (uint32_t)option(words, "batch", 0);
    spec->batch_within_ms = (uint32_t)option(words, "within", 0);
    spec->retries = (uint32_t)option(words, "retries", 0);
    spec->timeout_ms = (uint32_t)option(words, "timeout", 0);
    spec->deadline_ms = option(words, "deadline", 0);
    spec->submitted_ms = x->now_ms + 1000000;
    if (spec->deadline_ms > 0) { /* the submitter's clock is another one */
        spec->submitted_ms += SUBMITTER_OFF_MS;
        spec->deadline_ms += SUBMITTER_OFF_MS;
    }
    spec->fail_fast = option(words, "failfast", 0) != 0;
    spec->backoff_base_ms = (uint32_t)option(words, "backoff", spec->backoff_base_ms);
    spec->crash_cap = (uint32_t)option(words, "cap", 3);
    spec->lease_ms = 15000;
    spec->item_bytes_max = (uint32_t)option(words, "itemmax", spec->item_bytes_max);
    if (option(words, "soon", 0) > 0)
        spec->halt = (halt_t){HALT_SOON, HALT_FAIL, (uint32_t)option(words, "soon", 1), false};
    spec->final_exits_n = has(words, "final") ? 1 : 0;
    spec->final_exits[0] = (exit_range_t){64, 78};
    step(x, &(worker_event_t){.type = WORKER_JOBS, .jobs = &record});
}

static void do_versioned(world_t *x, const words_t *words, jobs_field_t field)
{
    jobs_record_t record = {.field = field, .end_reason = field == JOBS_HALT ? END_HALT : END_CANCEL};
    snprintf(record.job, sizeof record.job, "%s", word(words, 1));
    if (field != JOBS_END && field != JOBS_HALT) {
        record.value = (uint64_t)number(words, 2);
        record.version = (uint64_t)number(words, 3);
    }
    step(x, &(worker_event_t){.type = WORKER_JOBS, .jobs = &record});
}

static void do_assigned(world_t *x, const words_t *words)
{
    worker_event_t e = {.type = WORKER_ASSIGNED};
    commit_range_t done[8];
    commit_count_t counts[8];
    commit_name_t names[8];
    const char *members[8];
    commit_meta_t meta = {
        .clean = true, .mark = -1, .horizon = -1, .done = done, .counts = counts, .names = names, .members = members};
    buf_t text = {0};
    uint32_t left_out;
    e.assigned.lane = e.assigned.partition = (int32_t)number(words, 1);
    e.assigned.offset = number(words, 2);
    e.assigned.was_committed = !has(words, "none");
    e.assigned.member = x->member;
    for (size_t i = 3; i < words->n; i++) {
        if (strcmp(words->at[i], "done") == 0) {
            char *end;
            done[meta.done_n].from = strtoll(word(words, ++i), &end, 10);
            done[meta.done_n++].to = strtoll(end + 1, NULL, 10) + 1;
        } else if (strcmp(words->at[i], "count") == 0) {
            counts[meta.counts_n++] =
                (commit_count_t){number(words, i + 1), (uint32_t)number(words, i + 2), (uint32_t)number(words, i + 3)};
            i += 3;
        } else if (strcmp(words->at[i], "name") == 0) {
            names[meta.names_n] = (commit_name_t){number(words, i + 1), meta.members_n};
            members[meta.members_n++] = word(words, i + 2);
            meta.names_n++;
            i += 2;
        } else if (strcmp(words->at[i], "horizon") == 0)
            meta.horizon = number(words, ++i);
        else if (strcmp(words->at[i], "log") == 0) { /* its number, and its witness: offset, time */
            meta.log = (uint32_t)number(words, i + 1);
            meta.witness = number(words, i + 2);
            meta.witness_ms = number(words, i + 3);
            i += 3;
        } else if (strcmp(words->at[i], "unclean") == 0)
            meta.clean = false;
    }
    if (has(words, "again"))
        buf_append(&text, x->metadata[e.assigned.lane].data, x->metadata[e.assigned.lane].len);
    else if (e.assigned.was_committed)
        assert_true(commit_encode(&text, &meta, e.assigned.offset, &left_out));
    e.assigned.metadata = (const char *)text.data;
    e.assigned.metadata_len = text.len;
    step(x, &e);
    buf_free(&text);
    if (has(words, "slow"))
        return;
    worker_event_t accepted = {.type = WORKER_COMMITTED};
    accepted.committed.lane = e.assigned.lane;
    accepted.committed.offset = e.assigned.offset;
    accepted.committed.number = x->commits[e.assigned.lane];
    accepted.committed.ok = true;
    step(x, &accepted);
}

static void give(world_t *x, const words_t *words, const char *job, const buf_t *bytes)
{
    worker_event_t e = {.type = has(words, "again") ? WORKER_FETCHED : WORKER_ITEM};
    assert_true(x->payloads_n < PAYLOADS_MAX);
    uint8_t *payload = malloc(bytes->len);
    memcpy(payload, bytes->data, bytes->len);
    x->payloads[x->payloads_n++] = payload;
    x->payloads_held++;
    e.item.lane = (int32_t)number(words, 1);
    e.item.offset = number(words, 2);
    e.item.key = job;
    e.item.key_len = strlen(job);
    e.item.value = payload;
    e.item.value_len = bytes->len;
    e.item.payload = payload;
    e.appended_ms = option(words, "appended", 0);
    e.more = has(words, "more");
    step(x, &e);
}

static void do_item(world_t *x, const words_t *words)
{
    buf_t bytes = {0};
    enum { BIN_HEAD_BYTES = 3 };
    static const uint8_t in[] = {42}, zeros[1 << 16] = {0};
    buf_t large = {0};
    if (strcmp(words->at[0], "junk") == 0)
        buf_append_text(&bytes, "junk");
    else if (strcmp(words->at[0], "note") == 0) {
        item_t note = {.type = has(words, "released") ? ITEM_RELEASE_NOTE : ITEM_DONE_NOTE,
                       .done_offset = number(words, 3),
                       .partition = (int32_t)number(words, 1),
                       .attempts = 1,
                       .log = (uint32_t)option(words, "log", 0)};
        snprintf(note.member, sizeof note.member, "%s", word(words, 4));
        item_encode_note(&bytes, &note);
    } else if (option(words, "hops", 0) > 0)
        item_encode_copy(&bytes, (uint64_t)number(words, 4), in, sizeof in, (uint32_t)option(words, "hops", 0),
                         (uint32_t)option(words, "attempts", 0));
    else if (option(words, "bytes", 0) > 0) {
        assert_in_range(option(words, "bytes", 0), BIN_HEAD_BYTES, sizeof zeros);
        mp_put_bin(&large, zeros, (size_t)option(words, "bytes", 0) - BIN_HEAD_BYTES);
        item_encode(&bytes, (uint64_t)number(words, 4), large.data, large.len);
    } else
        item_encode(&bytes, (uint64_t)number(words, 4), in, sizeof in);
    buf_free(&large);
    give(x, words, strcmp(words->at[0], "item") == 0 && words->n > 3 ? words->at[3] : "A", &bytes);
    buf_free(&bytes);
}

static void do_done(world_t *x, const words_t *words)
{
    worker_event_t e = {.type = WORKER_ATTEMPT_DONE, .more = has(words, "more")};
    static const uint8_t value[] = {43};
    e.done.slot = (uint32_t)number(words, 1);
    e.done.n = (uint32_t)number(words, 2);
    e.done.kind = strcmp(word(words, 3), "value") == 0 ? FANMAP_VALUE : FANMAP_EXCEPTION;
    e.done.final = strcmp(word(words, 3), "final") == 0;
    e.done.is_whole = strcmp(word(words, 3), "whole") == 0;
    if (strncmp(word(words, 3), "exit", 4) == 0) {
        e.done.kind = FANMAP_EXIT;
        e.done.outcome.exit_status = atoi(word(words, 3) + 4);
    }
    e.done.outcome.value = value;
    e.done.outcome.value_len = sizeof value;
    e.done.outcome.run_us = words->n > 4 ? (uint64_t)number(words, 4) : 1000;
    step(x, &e);
}

static void do_down(world_t *x, const words_t *words)
{
    static const char *const whys[] = {"died", "timeout", "killed", "lapsed", "unusable", "guardian"};
    worker_event_t e = {.type = WORKER_SLOT_DOWN};
    e.down.slot = (uint32_t)number(words, 1);
    for (size_t i = 0; i < sizeof whys / sizeof whys[0]; i++)
        if (strcmp(whys[i], word(words, 2)) == 0)
            e.down.why = (attempt_down_t)i;
    e.down.has_attempt = strcmp(word(words, 3), "-") != 0;
    e.down.n = (uint32_t)strtoul(word(words, 3), NULL, 10);
    e.down.unstarted_from = (uint32_t)number(words, 4);
    e.down.outcome.kind = e.down.why == ATTEMPT_TIMEOUT ? FANMAP_TIMEOUT : FANMAP_SIGNAL;
    step(x, &e);
}

static void do_stored(world_t *x, const words_t *words)
{
    worker_item_t *items[16];
    worker_event_t e = {.type = strcmp(words->at[0], "unstored") == 0 ? WORKER_NOT_HANDED : WORKER_STORED};
    for (size_t i = 2; i < words->n; i++)
        for (size_t k = 0; k < x->publishing_n; k++)
            if (x->publishing[k].partition == number(words, 1) && x->publishing[k].offset == number(words, i)) {
                items[e.stored.n++] = x->publishing[k].item;
                x->publishing[k] = x->publishing[--x->publishing_n];
                break;
            }
    assert_int_equal(e.stored.n, words->n - 2);
    e.stored.items = items;
    step(x, &e);
}

/* free slots, and a partition that the asking worker holds. */
static void do_hungry(world_t *x, const words_t *words)
{
    worker_seat_t seat = {.task = 0, .partition = (int32_t)number(words, 2)};
    worker_event_t e = {.type = WORKER_HUNGRY};
    e.hungry.seats = &seat;
    e.hungry.seats_n = 1;
    e.hungry.free_n = (uint32_t)number(words, 1);
    step(x, &e);
}

static void do_tokens(world_t *x, const words_t *words)
{
    tokens_reply_t reply = {0};
    worker_event_t e = {.type = WORKER_TOKENS};
    e.tokens.job = word(words, 1);
    e.tokens.seq = x->seq;
    if (!has(words, "failed")) {
        reply.allow = (uint64_t)number(words, 2);
        reply.held = (uint64_t)number(words, 3);
        reply.fence = (uint64_t)number(words, 4);
        reply.free = (uint64_t)option(words, "free", 0);
        reply.learning = has(words, "learning");
        snprintf(reply.run_id, sizeof reply.run_id, "%s", text_option(words, "run", "R"));
        e.tokens.reply = &reply;
    }
    step(x, &e);
}

static void do_members(world_t *x, const words_t *words)
{
    worker_event_t e = {.type = WORKER_MEMBERS};
    e.members.number = x->described;
    e.members.at = (const char *const *)&words->at[1];
    e.members.n = words->n - 1;
    e.members.ok = !has(words, "failed");
    step(x, &e);
}

/* Time passes and nothing is told: the process was stopped. */
static void do_stopped(world_t *x, int64_t until_ms)
{
    x->now_ms = until_ms;
}

static void do_simple(world_t *x, const words_t *words)
{
    const char *verb = words->at[0];
    worker_event_t e = {.type = WORKER_TICK};
    if (strcmp(verb, "revoked") == 0) {
        e.type = WORKER_REVOKED;
        e.revoked.lane = (int32_t)number(words, 1);
        e.revoked.may_wait = has(words, "wait");
    } else if (strcmp(verb, "lost") == 0)
        e.type = WORKER_LOST;
    else if (strcmp(verb, "remade") == 0) {
        e.type = WORKER_REMADE;
        e.gap.lane = (int32_t)number(words, 1);
    } else if (strcmp(verb, "rebalanced") == 0)
        e.type = WORKER_REBALANCED;
    else if (strcmp(verb, "up") == 0) {
        e.type = WORKER_SLOT_UP;
        e.slot.slot = (uint32_t)number(words, 1);
    } else if (strcmp(verb, "taken") == 0) {
        e.type = WORKER_TAKEN_BACK;
        e.taken_back.slot = (uint32_t)number(words, 1);
        e.taken_back.n = (uint32_t)number(words, 2);
    } else if (strcmp(verb, "back") == 0) {
        e.type = WORKER_GIVEN_BACK;
        e.given_back.slot = (uint32_t)number(words, 1);
        e.given_back.from = (uint32_t)number(words, 2);
        e.given_back.to = (uint32_t)number(words, 3);
    } else if (strcmp(verb, "gap") == 0 || strcmp(verb, "over") == 0) {
        e.type = strcmp(verb, "gap") == 0 ? WORKER_GAP : WORKER_FETCH_OVER;
        e.gap.lane = (int32_t)number(words, 1);
        e.gap.from = number(words, 2);
        e.gap.to = number(words, 3);
    } else if (strcmp(verb, "committed") == 0) {
        e.type = WORKER_COMMITTED;
        e.committed.lane = (int32_t)number(words, 1);
        e.committed.offset = number(words, 2);
        e.committed.number = x->commits[e.committed.lane];
        e.committed.ok = has(words, "ok");
    } else if (strcmp(verb, "position") == 0) {
        e.type = WORKER_JOBS_POSITION;
        e.position.at_end = has(words, "end");
    } else if (strcmp(verb, "endstored") == 0 || strcmp(verb, "endwritten") == 0) {
        e.type = verb[3] == 's' ? WORKER_END_STORED : WORKER_END_WRITTEN;
        e.end_stored.job = word(words, 1);
    } else if (strcmp(verb, "wake") == 0) {
        e.type = WORKER_WAKE;
        e.wake.job = word(words, 1);
    } else if (strcmp(verb, "drain") == 0)
        e.type = WORKER_DRAIN;
    else if (strcmp(verb, "settle") == 0)
        e.type = WORKER_SETTLE;
    else if (strcmp(verb, "tick") != 0)
        fail_msg("no such event: %s", verb);
    step(x, &e);
}

/* Time passes as the worker asks for it: a tick whenever one is due. */
static void do_at(world_t *x, int64_t until_ms)
{
    for (int i = 0; x->worker != NULL && i < 10000; i++) {
        int64_t next = worker_next_ms(x->worker);
        if (next >= until_ms)
            break;
        x->now_ms = next > x->now_ms ? next : x->now_ms;
        size_t before = x->out.len;
        step(x, &(worker_event_t){.type = WORKER_TICK});
        if (x->out.len > before) {
            char line[64];
            int n = snprintf(line, sizeof line, "  at %lld\n", (long long)x->now_ms);
            buf_reserve(&x->out, (size_t)n);
            memmove(x->out.data + before + n, x->out.data + before, x->out.len - before);
            memcpy(x->out.data + before, line, (size_t)n);
            x->out.len += (size_t)n;
        }
    }
    x->now_ms = until_ms;
}

static void do_state(world_t *x)
{
    worker_stats_t s;
    worker_stats(the_worker(x), &s);
    say(x, "%llu queued, %llu delayed, %llu running, %llu publishing, %llu done, %llu retried, %llu killed, %llu lost",
        (unsigned long long)s.queued, (unsigned long long)s.delayed, (unsigned long long)s.running,
        (unsigned long long)s.publishing, (unsigned long long)s.done, (unsigned long long)s.retried,
        (unsigned long long)s.killed, (unsigned long long)s.lost);
}

static uint64_t count(const histogram_t *histogram)
{
    uint64_t n = 0;
    for (size_t i = 0; i <= HISTOGRAM_BOUNDS; i++)
        n += histogram->counts[i];
    return n;
}

/* Of task square. */
static void do_metrics(world_t *x)
{
    worker_present_t present[2];
    const worker_counts_t *counts = worker_counts(the_worker(x), 0);
    worker_present(x->worker, x->now_ms, present);
    say(x, "runnable %llu running %llu oldest %lld ms tokens %llu of %llu", (unsigned long long)present[0].runnable,
        (unsigned long long)present[0].running, (long long)present[0].oldest_ms,
        (unsigned long long)present[0].tokens_held, (unsigned long long)present[0].tokens_limit);
    say(x, "waits: %llu of %llu us, for a token: %llu of %llu us", (unsigned long long)count(&counts->wait),
        (unsigned long long)counts->wait.sum_us, (unsigned long long)count(&counts->token_wait),
        (unsigned long long)counts->token_wait.sum_us);
    for (int i = 0; i < COUNT_KINDS; i++)
        if (counts->items[i] > 0 || counts->attempts[i] > 0)
            say(x, "%s: %llu items, %llu attempts", kind_names[i], (unsigned long long)counts->items[i],
                (unsigned long long)counts->attempts[i]);
    for (int i = 0; i < COUNT_DOWNS; i++)
        if (counts->attempts[COUNT_KINDS + i] > 0)
            say(x, "down %d: %llu attempts", i, (unsigned long long)counts->attempts[COUNT_KINDS + i]);
}

static void do_oldest(world_t *x, size_t max)
{
    worker_oldest_t oldest[8];
    size_t n = worker_oldest(the_worker(x), oldest, max);
    for (size_t i = 0; i < n; i++)
        say(x, "%s/%llu attempt %u for %lld ms", oldest[i].job, (unsigned long long)oldest[i].index, oldest[i].attempt,
            (long long)oldest[i].running_ms);
}

static void do_line(world_t *x, char *line)
{
    words_t words = {0};
    for (char *at = strtok(line, " "); at != NULL && words.n < 48; at = strtok(NULL, " "))
        words.at[words.n++] = at;
    const char *verb = words.at[0];
    if (strcmp(verb, "at") == 0)
        do_at(x, number(&words, 1));
    else if (strcmp(verb, "stopped") == 0)
        do_stopped(x, number(&words, 1));
    else if (strcmp(verb, "config") == 0)
        do_config(x, &words);
    else if (strcmp(verb, "job") == 0)
        do_job(x, &words);
    else if (strcmp(verb, "limit") == 0)
        do_versioned(x, &words, JOBS_CONCURRENCY);
    else if (strcmp(verb, "pause") == 0)
        do_versioned(x, &words, JOBS_PAUSED);
    else if (strcmp(verb, "halt") == 0)
        do_versioned(x, &words, JOBS_HALT);
    else if (strcmp(verb, "end") == 0)
        do_versioned(x, &words, JOBS_END);
    else if (strcmp(verb, "assigned") == 0)
        do_assigned(x, &words);
    else if (strcmp(verb, "item") == 0 || strcmp(verb, "junk") == 0 || strcmp(verb, "note") == 0)
        do_item(x, &words);
    else if (strcmp(verb, "done") == 0)
        do_done(x, &words);
    else if (strcmp(verb, "down") == 0)
        do_down(x, &words);
    else if (strcmp(verb, "hungry") == 0)
        do_hungry(x, &words);
    else if (strcmp(verb, "stored") == 0 || strcmp(verb, "unstored") == 0)
        do_stored(x, &words);
    else if (strcmp(verb, "tokens") == 0)
        do_tokens(x, &words);
    else if (strcmp(verb, "members") == 0)
        do_members(x, &words);
    else if (strcmp(verb, "member") == 0)
        x->member = strcmp(word(&words, 1), "member-2") == 0 ? "member-2" : "member-1";
    else if (strcmp(verb, "state") == 0)
        do_state(x);
    else if (strcmp(verb, "metrics") == 0)
        do_metrics(x);
    else if (strcmp(verb, "oldest") == 0)
        do_oldest(x, (size_t)number(&words, 1));
    else
        do_simple(x, &words);
}

/* ---- files ---- */

static char *read_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        fail_msg("%s is missing", path);
    char *text = calloc(1, 1 << 18);
    size_t n = fread(text, 1, (1 << 18) - 1, f);
    assert_true(n < (1 << 18) - 1);
    fclose(f);
    return text;
}

static void play(world_t *x, const char *text)
{
    while (*text != '\0') {
        size_t len = strcspn(text, "\n");
        if (text[0] == '>' || text[0] == '#' || len == 0)
            buf_printf(&x->out, "%.*s\n", (int)len, text);
        if (text[0] == '>') {
            char line[512];
            snprintf(line, sizeof line, "%.*s", (int)len - 2, text + 2);
            do_line(x, line);
        }
        text += len + (text[len] == '\n');
    }
}

static void first_difference(const char *path, const char *want, const char *got)
{
    size_t i = 0, line = 1, begin = 0;
    for (; want[i] != '\0' && want[i] == got[i]; i++)
        if (want[i] == '\n') {
            line++;
            begin = i + 1;
        }
    fail_msg("%s:%zu\n  wanted: %.*s\n  got:    %.*s", path, line, (int)strcspn(want + begin, "\n"), want + begin,
             (int)strcspn(got + begin, "\n"), got + begin);
}

static void timeline(const char *name)
{
    char path[512];
    world_t *x = calloc(1, sizeof *x);
    x->now_ms = 1000;
    x->member = "member-1";
    x->config = (worker_config_t){.queue = "q",
                                  .incarnation = "inc",
                                  .slots_n = 2,
                                  .tasks = task_names,
                                  .tasks_n = 1,
                                  .budget_bytes = 1 << 20,
                                  .items_max = 1000,
                                  .commit_every_ms = 1000,
                                  .drain_ms = 3000,
                                  .revoke_ms = 1000,
                                  .ahead_n = 4,
                                  .ahead_bytes = 1 << 16,
                                  .publishing_max = 100,
                                  .has_tokens = true,
                                  .seed = 1};
    snprintf(path, sizeof path, "%s/tests/unit/golden/worker/%s.txt", FANMAP_SOURCE_DIR, name);
    char *want = read_file(path);
    play(x, want);
    buf_append(&x->out, "", 1);
    if (getenv("FANMAP_GOLDEN_UPDATE") != NULL) {
        FILE *f = fopen(path, "wb");
        fwrite(x->out.data, 1, x->out.len - 1, f);
        fclose(f);
    } else if (strcmp(want, (char *)x->out.data) != 0)
        first_difference(path, want, (char *)x->out.data);
    worker_free(x->worker);
    worker_actions_free(&x->actions);
    for (size_t i = 0; i < x->payloads_n; i++)
        free(x->payloads[i]);
    for (size_t i = 0; i < PARTS_MAX; i++)
        buf_free(&x->metadata[i]);
    buf_free(&x->out);
    free(want);
    free(x);
}

#define TIMELINE(name)                                                                                                 \
    static void name(void **state)                                                                                     \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        timeline(#name);                                                                                               \
    }
TIMELINE(happy)
TIMELINE(settle)
TIMELINE(hand_off)
TIMELINE(hungry)
TIMELINE(unheard)
TIMELINE(ahead)
TIMELINE(calls)
TIMELINE(calls_late)
TIMELINE(turns)
TIMELINE(merge)
TIMELINE(retry)
TIMELINE(deaths)
TIMELINE(halt_hold)
TIMELINE(too_large)
TIMELINE(tokens)
TIMELINE(freeze)
TIMELINE(revoked)
TIMELINE(revoked_wait)
TIMELINE(lost)
TIMELINE(remade)
TIMELINE(duplicates)
TIMELINE(cancel)
TIMELINE(pause)
TIMELINE(drain)
TIMELINE(deadline)
TIMELINE(fail_fast)
TIMELINE(halt_soon)
TIMELINE(halt_foreign)
TIMELINE(final_exit)
TIMELINE(unknown)
TIMELINE(unlimited)
TIMELINE(intake)
TIMELINE(deferred)
TIMELINE(takeover)
TIMELINE(stopped)
TIMELINE(first_commit)
TIMELINE(claims)
TIMELINE(claimed)
TIMELINE(claimed_letter)
TIMELINE(lost_claims)
TIMELINE(poison)
TIMELINE(names_full)
TIMELINE(names_ahead)
TIMELINE(names_closing)
TIMELINE(guardian_waits)
TIMELINE(adopted_charged)
TIMELINE(lost_names)
TIMELINE(lost_closing)
TIMELINE(lost_published)
TIMELINE(two_claims)
TIMELINE(drain_named)
TIMELINE(drain_waits)
TIMELINE(suspects)
TIMELINE(guardian)
TIMELINE(unknown_guardian)
TIMELINE(runnable)
TIMELINE(oldest)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(happy),          cmocka_unit_test(settle),         cmocka_unit_test(hand_off),
        cmocka_unit_test(hungry),         cmocka_unit_test(ahead),          cmocka_unit_test(turns),
        cmocka_unit_test(retry),          cmocka_unit_test(deaths),         cmocka_unit_test(halt_hold),
        cmocka_unit_test(too_large),      cmocka_unit_test(tokens),         cmocka_unit_test(freeze),
        cmocka_unit_test(revoked),        cmocka_unit_test(revoked_wait),   cmocka_unit_test(lost),
        cmocka_unit_test(remade),         cmocka_unit_test(duplicates),     cmocka_unit_test(cancel),
        cmocka_unit_test(pause),          cmocka_unit_test(drain),          cmocka_unit_test(deadline),
        cmocka_unit_test(fail_fast),      cmocka_unit_test(halt_soon),      cmocka_unit_test(halt_foreign),
        cmocka_unit_test(final_exit),     cmocka_unit_test(unlimited),      cmocka_unit_test(unknown),
        cmocka_unit_test(intake),         cmocka_unit_test(takeover),       cmocka_unit_test(stopped),
        cmocka_unit_test(first_commit),   cmocka_unit_test(claims),         cmocka_unit_test(claimed),
        cmocka_unit_test(claimed_letter), cmocka_unit_test(lost_claims),    cmocka_unit_test(poison),
        cmocka_unit_test(names_full),     cmocka_unit_test(names_ahead),    cmocka_unit_test(adopted_charged),
        cmocka_unit_test(lost_names),     cmocka_unit_test(lost_closing),   cmocka_unit_test(lost_published),
        cmocka_unit_test(two_claims),     cmocka_unit_test(drain_named),    cmocka_unit_test(drain_waits),
        cmocka_unit_test(suspects),       cmocka_unit_test(guardian),       cmocka_unit_test(unknown_guardian),
        cmocka_unit_test(merge),          cmocka_unit_test(runnable),       cmocka_unit_test(calls),
        cmocka_unit_test(calls_late),     cmocka_unit_test(guardian_waits), cmocka_unit_test(names_closing),
        cmocka_unit_test(deferred),       cmocka_unit_test(oldest),         cmocka_unit_test(unheard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
