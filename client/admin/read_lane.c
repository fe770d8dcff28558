/* fanmap_lane: one partition of a stream's log through the gathering rules (aggregator/gather_lane.h), without a group.
 *
 * What the rules hand out is a function of the log and of the state that they begin with. So a position is that state as it was before
 * a pack, the offset of the pack, and how many outcomes had been handed out at it: whoever goes on from there gets the same ones, and
 * steps over those. As text PACK.COUNT.FROM.STATE, the first two of a fixed width, so that positions sort. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/gather_lane.h"
#include "client/admin/query.h"
#include "client/handle/handle.h"
#include "schemas/names.h"
#include "schemas/streamlog.h"

enum { POSITION_MAX = 64 + GATHER_POSITION_MAX };

typedef struct {
    int64_t pack;   /* of the log; the state before it: */
    int64_t from;   /* read from here, */
    uint64_t count; /* handed out at it */
    char state[GATHER_POSITION_MAX];
} place_t;

typedef struct {
    query_t query;
    const char *id;
    uint32_t lane_n;
    bool as_records, goes_on, is_full;
    uint64_t limit, told;
    fanmap_lane_outcome_fn fn;
    void *arg;
    lookup_result_t seen;
    gather_lane_t lane;
    place_t begin, now;
    outcome_view_t view;
    fanmap_error_t error; /* code not 0: an outcome could not be shown */
} reading_t;

/* ---- positions ---- */

static void print_place(char ret[POSITION_MAX], const place_t *place)
{
    snprintf(ret, POSITION_MAX, "%019" PRId64 ".%06" PRIu64 ".%" PRId64 ".%s", place->pack, place->count, place->from,
             place->state);
    for (char *c = ret; *c; c++)
        *c = *c == ' ' ? '_' : *c;
}

static bool take_number(const char **text, int64_t *ret)
{
    char *end;
    if (!isdigit((unsigned char)**text) || strspn(*text, "0123456789") > 19)
        return false;
    *ret = strtoll(*text, &end, 10);
    bool is_taken = *end == '.' && *ret < INT64_MAX;
    *text = end + 1;
    return is_taken;
}

static bool read_place(const char *text, place_t *ret)
{
    place_t place = {0};
    int64_t count;
    if (!take_number(&text, &place.pack) || !take_number(&text, &count) || !take_number(&text, &place.from) ||
        strlen(text) >= sizeof place.state || place.from > place.pack)
        return false;
    place.count = (uint64_t)count;
    memcpy(place.state, text, strlen(text) + 1);
    for (char *c = place.state; *c; c++)
        *c = *c == '_' ? ' ' : *c;
    *ret = place;
    return true;
}

/* ---- the log ---- */

static void hand_out(void *arg, const gather_outcome_t *outcome)
{
    reading_t *r = arg;
    char position[POSITION_MAX];
    if (r->is_full)
        return;
    r->now.count++;
    if (r->now.pack == r->begin.pack && r->now.count <= r->begin.count)
        return;
    print_place(position, &r->now);
    r->fn(r->arg,
          &(fanmap_lane_outcome_t){.line = outcome->payload, .len = strlen(outcome->payload), .position = position});
    r->is_full = ++r->told == r->limit;
}

static void free_payload(void *arg, const gather_outcome_t *outcome)
{
    (void)arg;
    free(outcome->payload);
}

static void out_of_memory(reading_t *r)
{
    (void)err_set(&r->error, FANMAP_ENOMEM, "out of memory");
}

/* NULL: an error. */
static char *line_of(reading_t *r, const outcome_t *outcome)
{
    buf_t line = {0};
    r->view.format = FANMAP_JSON;
    if (outcome_view_fill(&r->view, outcome, &r->error) != FANMAP_OK)
        return NULL;
    outcome_put_json(&line, &r->view.outcome, r->as_records);
    buf_append(&line, "", 1);
    char *text = line.failed ? NULL : strdup((const char *)line.data);
    buf_free(&line);
    if (!text)
        out_of_memory(r);
    return text;
}

static size_t read_outcomes(reading_t *r, streamlog_pack_t *pack, gather_outcome_t *ret)
{
    size_t n = 0;
    stream_outcome_t outcome;
    while (!r->error.code && streamlog_next(pack, &outcome)) {
        char *line = line_of(r, &outcome.outcome);
        if (line)
            ret[n++] = gather_outcome_of(&outcome, line);
    }
    return n;
}

static void on_record(void *arg, const bus_record_t *record)
{
    reading_t *r = arg;
    const gather_calls_t calls = {hand_out, free_payload, r};
    streamlog_pack_t pack = {.whole = -1};
    (void)streamlog_decode(record->value, record->value_len, &pack);
    gather_outcome_t *outcomes = calloc(pack.left + 1, sizeof *outcomes);
    if (!outcomes) {
        out_of_memory(r);
        r->query.is_done = true;
        return;
    }
    r->now.pack = record->offset;
    r->now.count = 0;
    r->now.from = gather_lane_position(&r->lane, r->now.state);
    size_t n = read_outcomes(r, &pack, outcomes);
    gather_lane_pack(&r->lane, record->offset, pack.whole, outcomes, n, &calls);
    free(outcomes);
    if (r->lane.failed)
        out_of_memory(r);
    r->query.is_done |= r->is_full || r->error.code;
}

/* ---- all of it ---- */

static bus_topic_t *open_log(reading_t *r)
{
    char name[TOPIC_NAME_MAX];
    query_t *query = &r->query;
    const bus_topic_config_t config = {.name = name_of_id(name, query->f->namespace_name, NAME_STREAM, r->id)};
    uint32_t lanes_n = query_ensure(query, &config, false);
    if (query->result == FANMAP_OK && r->lane_n >= lanes_n)
        query->result =
            err_set(query->err, FANMAP_EUSAGE, "stream %s has %" PRIu32 " lanes, from 0 on", r->id, lanes_n);
    return query_open(query, name, NULL, NULL);
}

static void look_up(reading_t *r)
{
    query_t *query = &r->query;
    query_known_job(query, query_queue(query, NULL, NULL), r->id, &r->seen);
    if (query->result == FANMAP_OK && r->seen.spec.stream == STREAM_NOT)
        query->result = err_set(query->err, FANMAP_EUSAGE, "%s is no stream and has no lanes", r->id);
    r->lane.order = r->seen.spec.stream;
    if (query->result == FANMAP_OK && !gather_lane_load(&r->lane, r->begin.from, r->begin.state))
        query->result =
            err_set(query->err, FANMAP_EUSAGE, "the position is of a stream of another order than %s", r->id);
}

static void read_log(reading_t *r, bus_topic_t *topic)
{
    query_t *query = &r->query;
    int64_t end = query_end_of(query, topic, (int32_t)r->lane_n);
    int64_t low = query_read(query, topic, (int32_t)r->lane_n, r->begin.from, end, on_record, r);
    if (low >= 0 && query->result == FANMAP_OK && !r->goes_on) {
        gather_lane_gone(&r->lane, low);
        (void)query_read(query, topic, (int32_t)r->lane_n, low, end, on_record, r);
    }
    bool is_lost = r->goes_on && (low >= 0 || r->lane.losses_n > 0);
    if (query->result == FANMAP_OK && is_lost)
        query->result = err_set(query->err, FANMAP_ELOST,
                                "lane %" PRIu32 " of stream %s: what lies behind the position was deleted, "
                                "by fanmap stream when it had handed it out or by somebody else",
                                r->lane_n, r->id);
    if (query->result == FANMAP_OK && r->error.code)
        query->result = err_copy(query->err, &r->error);
}

static void tell_end(reading_t *r)
{
    char position[POSITION_MAX];
    if (!r->is_full && r->lane.position > r->begin.pack) {
        r->now = (place_t){.pack = r->lane.position};
        r->now.from = gather_lane_position(&r->lane, r->now.state);
    } else if (!r->is_full) {
        r->now = r->begin;
    }
    print_place(position, &r->now);
    bool is_over = !r->is_full && r->seen.view.has_end;
    r->fn(r->arg, &(fanmap_lane_outcome_t){.line = "", .position = position, .is_end = true, .is_over = is_over});
}

int fanmap_lane(fanmap_t *f, const char *stream_id, uint32_t lane, const char *from, uint64_t limit, bool as_records,
                int timeout_ms, fanmap_lane_outcome_fn fn, void *arg, fanmap_error_t *err)
{
    reading_t r = {.id = stream_id, .lane_n = lane, .as_records = as_records, .limit = limit, .fn = fn, .arg = arg};
    r.goes_on = from && from[0];
    if (!job_id_valid(stream_id))
        return err_set(err, FANMAP_EUSAGE, "\"%s\" is not a job id", stream_id);
    if (r.goes_on && !read_place(from, &r.begin))
        return err_set(err, FANMAP_EUSAGE, "\"%.40s\" is no position that was given here", from);
    query_begin(&r.query, f, timeout_ms, err);
    look_up(&r);
    bus_topic_t *topic = open_log(&r);
    if (topic)
        read_log(&r, topic);
    if (r.query.result == FANMAP_OK)
        tell_end(&r);
    gather_lane_forget(&r.lane, free_payload, &r);
    gather_lane_free(&r.lane);
    outcome_view_free(&r.view);
    return query_end(&r.query);
}
