/* The log of a stream is shortened: what was handed out is deleted once it is older than --keep, by the time at which the broker
 * appended it. So it does not matter which process handed it out, and how long that lived. A lane after the other is asked for
 * its first record that is younger; what fails is done in the next pass. */
#include "client/services/stream.h"

enum { PASS_MS_MIN = 500, PASS_MS_MAX = 30000, PASSES = 4 /* in the time that is kept */ };

static void look_at_lanes(fanmap_stream_t *s);

static int64_t keep_ms(const fanmap_stream_t *s)
{
    return (int64_t)options_ms(s->f->options, OPT_KEEP);
}

/* What stays is deleted the next time. A right that is missing stops nothing, but somebody has to give it. */
static void on_deleted(void *arg, const bus_answer_t *answer)
{
    fanmap_stream_t *s = arg;
    if (!answer->err || answer->err->code != FANMAP_EREFUSED || s->said_undeletable)
        return;
    s->said_undeletable = true;
    client_log(s->f, FANMAP_LOG_WARNING, "stream %s: its log is not shortened, and grows: %s", s->spec.job,
               answer->err->message);
}

static void delete_before(fanmap_stream_t *s, uint32_t lane, int64_t at)
{
    const bus_request_t request = {.kind = BUS_DELETE_RECORDS, .partition = (int32_t)lane, .at = at};
    fanmap_error_t ignored;
    if (at > s->deleted[lane] && bus_request(s->log_topic, &request, on_deleted, s, &ignored) == FANMAP_OK)
        s->deleted[lane] = at;
}

static void on_found(void *arg, const bus_answer_t *answer)
{
    fanmap_stream_t *s = arg;
    uint32_t lane = s->keep_lane++;
    int64_t gathered = s->gathered[lane], young = answer->value; /* BUS_END: there is none, BUS_BEGIN: not known */
    if (young == BUS_END || young > gathered)
        young = gathered;
    if (!answer->err)
        delete_before(s, lane, young);
    look_at_lanes(s);
}

static void begin_pass_later(fanmap_stream_t *s)
{
    int64_t after_ms = keep_ms(s) / PASSES;
    after_ms = after_ms < PASS_MS_MIN ? PASS_MS_MIN : after_ms > PASS_MS_MAX ? PASS_MS_MAX : after_ms;
    loop_timer_at(s->keep_timer, loop_now_ms(s->f->loop) + after_ms);
}

/* From the present one on, the first in which something may go. */
static void look_at_lanes(fanmap_stream_t *s)
{
    bus_request_t request = {.kind = BUS_FIND_TIME};
    fanmap_error_t ignored;
    int64_t now_ms;
    bool has_clock = bus_clock(s->f->bus, &now_ms);
    while (has_clock && s->keep_lane < s->lanes_n && s->gathered[s->keep_lane] <= s->deleted[s->keep_lane])
        s->keep_lane++;
    request.partition = (int32_t)s->keep_lane;
    request.at = has_clock ? now_ms - keep_ms(s) : 0;
    if (!has_clock || s->keep_lane >= s->lanes_n ||
        bus_request(s->log_topic, &request, on_found, s, &ignored) != FANMAP_OK)
        begin_pass_later(s);
}

static void on_timer(void *arg)
{
    fanmap_stream_t *s = arg;
    s->keep_lane = 0;
    look_at_lanes(s);
}

int stream_keep_open(fanmap_stream_t *s, fanmap_error_t *err)
{
    int r = loop_timer_new(s->f->loop, on_timer, s, &s->keep_timer, err);
    if (r == FANMAP_OK)
        loop_timer_at(s->keep_timer, loop_now_ms(s->f->loop) + PASS_MS_MIN);
    return r;
}

void stream_keep_close(fanmap_stream_t *s)
{
    loop_timer_free(s->keep_timer);
    s->keep_timer = NULL;
}
