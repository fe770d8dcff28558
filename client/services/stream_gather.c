/* The gatherer core on a group, its log and a writer of transactions.
 *
 * The happy path: the writer is ready -> the group is joined -> packs of the log go to the core -> what it hands out goes into a
 * transaction -> after --commit-every the positions go with it -> the answer -> packs again.
 *
 * What can fail: a transaction is not stored, or nobody knows. Then the core asks for everything anew: the group is left and
 * joined again, with a new writer where the old one is of no use any more. What is stored is read back from Kafka, which
 * waits until every transaction about it is decided. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "client/services/stream.h"
#include "io/random_id.h"

enum { RECORDS_MAX = 20000 };

void stream_fail(fanmap_stream_t *s, const fanmap_error_t *err)
{
    if (!s->error.code)
        s->error = *err;
    loop_wake(s->f->loop);
}

static bool must_end(const fanmap_stream_t *s)
{
    return s->drain_asked || s->is_cancelled;
}

/* Nothing is read while a transaction ends. */
void stream_want(fanmap_stream_t *s)
{
    bool wants = s->writer_state == WRITER_READY && !s->must_rejoin && !must_end(s);
    if (s->group && wants != s->wants)
        bus_group_want(s->group, wants);
    s->wants = wants;
}

/* ---- the core ---- */

static void release(fanmap_stream_t *s, stream_entry_t *entry)
{
    stream_pack_t *pack = entry->pack;
    if (--pack->refs > 0)
        return;
    bus_release(s->f->bus, pack->owner);
    free(pack);
}

static void broken(fanmap_stream_t *s, const fanmap_error_t *err)
{
    if (err && (err->code == FANMAP_EREFUSED || err->code == FANMAP_EUSAGE))
        stream_fail(s, err);
    else if (err)
        client_log(s->f, FANMAP_LOG_WARNING, "%s", err->message);
    s->must_rejoin = true;
}

static void hand_out(fanmap_stream_t *s, const gatherer_action_t *a)
{
    fanmap_error_t err;
    stream_entry_t *entry = a->payload;
    s->put_n++;
    if (plain_put(&s->out, s->writer, entry->pack->lane, &entry->outcome, &err) == FANMAP_OK)
        return;
    s->writer_state = WRITER_BROKEN;
    broken(s, &err); /* EUSAGE: the topic of errors takes it neither: nothing is lost while somebody looks */
}

static void put_position(fanmap_stream_t *s, const gatherer_action_t *a)
{
    size_t n = s->positions_n++;
    memcpy(s->texts[n], a->text, GATHER_POSITION_MAX);
    s->positions[n] = (bus_position_t){(int32_t)a->lane, a->at, s->texts[n]};
}

static void commit(fanmap_stream_t *s)
{
    fanmap_error_t err;
    bool may = s->group && s->writer_state == WRITER_READY;
    if (may && bus_writer_commit(s->writer, s->group, s->log_name, s->positions, s->positions_n, &err) == FANMAP_OK) {
        s->writer_state = WRITER_BUSY;
        stream_stall_begin(s);
        stream_want(s);
        return;
    }
    s->writer_state = WRITER_BROKEN;
    s->commit_failed = true;
    broken(s, may ? &err : NULL);
}

/* Only an operator can delete what is not gathered. What is stored from here on would pass it for good. */
static void on_loss(fanmap_stream_t *s, const gatherer_action_t *a)
{
    fanmap_error_t err;
    bool goes_on = options_switch(s->f->options, OPT_SKIP_LOST);
    s->lost++;
    err_set(&err, FANMAP_ELOST,
            "the log of stream %s has lost records of partition %" PRIu32 ": outcomes between offsets %" PRId64
            " and %" PRId64 " of %s are missing%s",
            s->spec.job, a->lane, a->from, a->to, s->spec.from, goes_on ? "" : "; --skip-lost goes on without them");
    if (goes_on) {
        client_log(s->f, FANMAP_LOG_ERROR, "%s", err.message);
        return;
    }
    s->writer_state = WRITER_BROKEN;
    stream_fail(s, &err);
}

static void carry_out(fanmap_stream_t *s, const gatherer_action_t *a)
{
    switch (a->type) {
    case GATHERER_HAND_OUT:
        if (s->writer_state != WRITER_BROKEN)
            hand_out(s, a);
        break;
    case GATHERER_RELEASE:
        release(s, a->payload);
        break;
    case GATHERER_POSITION:
        put_position(s, a);
        break;
    case GATHERER_COMMIT:
        commit(s);
        break;
    case GATHERER_ABORT:
        if (s->writer_state == WRITER_READY && s->out.has_put) {
            s->writer_state = WRITER_BUSY;
            bus_writer_abort(s->writer);
        }
        break;
    case GATHERER_RELOAD:
        s->must_rejoin = true;
        break;
    case GATHERER_LOSS:
        on_loss(s, a);
        break;
    }
}

void stream_step(fanmap_stream_t *s, gatherer_event_t *event)
{
    fanmap_error_t err;
    event->now_ms = loop_now_ms(s->f->loop);
    gatherer_step(s->gatherer, event, &s->actions);
    for (size_t i = 0; i < s->actions.n; i++)
        carry_out(s, &s->actions.at[i]);
    if (s->actions.failed) {
        err_set(&err, FANMAP_ENOMEM, "stream %s: out of memory, or a position of its group is none of ours",
                s->spec.job);
        stream_fail(s, &err);
    }
    if (s->commit_failed) { /* no answer will come for it */
        s->commit_failed = false;
        stream_step(s, &(gatherer_event_t){.type = GATHERER_ANSWER, .ok = false});
        return;
    }
    int64_t next = gatherer_next_ms(s->gatherer);
    if (next != INT64_MAX)
        loop_timer_at(s->timer, next);
    stream_want(s);
}

static void on_timer(void *arg)
{
    stream_step(arg, &(gatherer_event_t){.type = GATHERER_TICK});
}

/* ---- transactions ---- */

static void note_stored(fanmap_stream_t *s)
{
    s->handed_out += s->put_n;
    s->failed = s->out.errors;
    for (size_t i = 0; i < s->positions_n; i++)
        s->gathered[s->positions[i].partition] = s->positions[i].offset;
}

static void on_written(void *arg, bus_written_t what, const fanmap_error_t *err)
{
    fanmap_stream_t *s = arg;
    bool was_open = s->writer_state == WRITER_OPENS;
    s->writer_state = what == BUS_WRITER_UNKNOWN ? WRITER_BROKEN : WRITER_READY;
    s->out.has_put = false;
    if (what == BUS_WRITER_STORED && !was_open)
        note_stored(s);
    s->put_n = 0;
    s->out.errors = s->failed; /* what is not stored comes again */
    stream_stall_end(s, what == BUS_WRITER_STORED && !was_open);
    s->positions_n = 0;
    if (err)
        broken(s, err);
    if (!was_open)
        stream_step(s, &(gatherer_event_t){.type = GATHERER_ANSWER, .ok = what == BUS_WRITER_STORED});
    stream_want(s);
    loop_wake(s->f->loop);
}

static void open_writer(fanmap_stream_t *s)
{
    char id[TOPIC_NAME_MAX + 32], random[21];
    fanmap_error_t err;
    bus_writer_close(s->writer);
    s->writer = NULL;
    s->writer_state = WRITER_CLOSED;
    s->out.has_put = false;
    s->positions_n = 0;
    if (random_id(random, 20) != FANMAP_OK) {
        err_set(&err, FANMAP_EIO, "no random numbers");
        stream_fail(s, &err);
        return;
    }
    (void)snprintf(id, sizeof id, "%s.%s", s->group_name, random);
    if (bus_writer_open(s->f->bus, id, s->spec.terms.is_at_least_once, plain_batch_bytes(&s->out), on_written, s,
                        &s->writer, &err) == FANMAP_OK)
        s->writer_state = WRITER_OPENS;
    else
        stream_fail(s, &err);
}

/* ---- turns ---- */

/* What is in hand is stored before it leaves. */
static void drain(fanmap_stream_t *s)
{
    if (s->is_leaving || s->writer_state == WRITER_BUSY)
        return;
    if (s->writer_state == WRITER_READY && s->group && gatherer_next_ms(s->gatherer) != INT64_MAX) {
        stream_step(s, &(gatherer_event_t){.type = GATHERER_FLUSH});
        return;
    }
    s->is_leaving = s->group != NULL;
    s->is_ended = !s->group;
    if (s->group)
        bus_group_leave(s->group);
}

void stream_gather_turn(fanmap_stream_t *s)
{
    stream_want(s);
    s->is_leaving &= s->group != NULL;
    if (s->is_ended || s->is_leaving)
        return;
    if (must_end(s)) {
        drain(s);
        return;
    }
    if (s->must_rejoin && s->group && s->writer_state != WRITER_BUSY) {
        s->is_leaving = true;
        bus_group_leave(s->group);
        return;
    }
    if (s->writer_state == WRITER_BROKEN || s->writer_state == WRITER_CLOSED)
        open_writer(s);
    if (!s->group && s->writer_state == WRITER_READY) {
        s->must_rejoin = false;
        stream_join(s);
    }
}

bool stream_has_lanes(fanmap_stream_t *s, uint32_t n)
{
    uint32_t had = s->lanes_n;
    if (n <= had)
        return true;
    if (!array_extend(s->positions, had, n + 1) || !array_extend(s->texts, had, n + 1) ||
        !array_extend(s->gathered, had, n + 1) || !array_extend(s->deleted, had, n + 1) ||
        !gatherer_grow(s->gatherer, n))
        return false;
    s->lanes_n = n;
    return true;
}

int stream_gather_open(fanmap_stream_t *s, fanmap_error_t *err)
{
    const fanmap_options_t *o = s->f->options;
    gatherer_config_t config = {.order = s->spec.stream,
                                .commit_every_ms = (uint32_t)options_ms(o, OPT_COMMIT_EVERY),
                                .records_max = RECORDS_MAX};
    s->out.spec = &s->spec;
    s->out.group = s->log_name;
    s->gatherer = gatherer_new(&config);
    if (!s->gatherer || !stream_has_lanes(s, s->log_n))
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    int r = loop_timer_new(s->f->loop, on_timer, s, &s->timer, err);
    if (r == FANMAP_OK)
        r = stream_stall_open(s, err);
    if (r == FANMAP_OK)
        r = stream_keep_open(s, err);
    if (r == FANMAP_OK)
        r = stream_progress_open(s, err);
    if (r == FANMAP_OK)
        r = stream_workers_open(s, err);
    if (r == FANMAP_OK)
        r = bus_topic_open(s->f->bus, s->log_name, NULL, s, &s->log_topic, err);
    return r;
}

void stream_gather_close(fanmap_stream_t *s)
{
    gatherer_event_t event = {.type = GATHERER_REVOKED};
    if (s->gatherer) { /* what it holds is given back */
        gatherer_step(s->gatherer, &event, &s->actions);
        for (size_t i = 0; i < s->actions.n; i++)
            if (s->actions.at[i].type == GATHERER_RELEASE)
                release(s, s->actions.at[i].payload);
    }
    bus_writer_close(s->writer);
    loop_timer_free(s->timer);
    stream_stall_close(s);
    stream_keep_close(s);
    stream_progress_close(s);
    stream_workers_close(s);
    gatherer_free(s->gatherer);
    s->gatherer = NULL; /* its group may still be taken away while the bus closes */
    gatherer_actions_free(&s->actions);
    free(s->positions);
    free(s->texts);
    free(s->gathered);
    free(s->deleted);
    plain_free(&s->out);
}
