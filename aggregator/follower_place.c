/* The places of a follower as text. */
#include <inttypes.h>
#include <string.h>

#include "aggregator/follower_state.h"
#include "base/clock.h"

/* ---- out ---- */

/* What was handed out by the rules and not taken yet is needed again. */
static int64_t first_needed(const follow_lane_t *lane)
{
    int64_t first = gather_first_needed(&lane->rules);
    for (const follow_entry_t *entry = lane->ready; entry != NULL; entry = entry->next)
        first = earlier(first, entry->pack->at);
    return first;
}

static void put_place(const follow_lane_t *lane, int64_t at, buf_t *b)
{
    int64_t in = lane->rules.position > lane->rules.read_before ? lane->rules.position : lane->rules.read_before;
    uint32_t number_in = in == lane->rules.read_before ? lane->skip : 0;
    if (lane->ready != NULL) {
        in = lane->ready->pack->at;
        number_in = lane->ready->number;
    }
    buf_printf(b, "%" PRId64 "@%" PRId64 "/%" PRId64 "/%" PRIu32 "/%" PRId64, lane->rules.last + 1, earlier(at, in), in,
               number_in, lane->rules.highest);
}

bool follower_place_of(const follower_t *f, uint32_t number, buf_t *b)
{
    const follow_lane_t *lane = &f->lanes[number];
    if (!lane->rules.is_loaded)
        return false;
    if (lane->is_unread && lane->from_at == FOLLOWER_FROM_BEGIN) { /* where it was asked to begin */
        buf_printf(b, "%" PRId64, lane->rules.last + 1);
        return true;
    }
    int64_t at = first_needed(lane);
    if (f->order == STREAM_BY_PARTITION)
        buf_printf(b, "%" PRId64 "@%" PRId64, lane->given + 1, at);
    else
        put_place(lane, at, b);
    if (lane->is_fresh && lane->rules.last < lane->handed_out)
        buf_printf(b, "~%" PRId64, lane->handed_out);
    return true;
}

void follower_place(const follower_t *f, buf_t *b)
{
    const char *mark = "";
    for (uint32_t i = 0; i < f->lanes_n; i++) {
        size_t before = b->len;
        buf_printf(b, "%s%" PRIu32 ":", mark, i);
        if (follower_place_of(f, i, b))
            mark = ",";
        else
            b->len = before;
    }
}

/* ---- in ---- */

/* A number without a sign, and what stands behind it. */
static bool read_number(const char **at, int64_t max, int64_t *ret)
{
    int64_t n = 0;
    const char *from = *at;
    for (; **at >= '0' && **at <= '9'; ++*at) {
        n = n * 10 + (**at - '0');
        if (n > max)
            return false;
    }
    *ret = n;
    return *at > from;
}

static bool read_after(const char **at, char mark, int64_t max, int64_t *ret)
{
    if (**at != mark)
        return false;
    ++*at;
    return read_number(at, max, ret);
}

/* The highest offset may be none, -1. */
static bool read_place(const char **at, follow_lane_t *lane)
{
    int64_t skip;
    if (!read_after(at, '/', OFFSET_MAX, &lane->rules.read_before) || !read_after(at, '/', UINT32_MAX, &skip))
        return false;
    lane->skip = (uint32_t)skip;
    lane->rules.highest = -1;
    if (strncmp(*at, "/-1", 3) == 0)
        *at += 3;
    else if (!read_after(at, '/', OFFSET_MAX, &lane->rules.highest))
        return false;
    return lane->from_at <= lane->rules.read_before;
}

void follower_begin(follower_t *f, uint32_t number, int64_t at, int64_t handed_out)
{
    follow_lane_t *lane = &f->lanes[number];
    lane->rules.is_loaded = lane->is_fresh = lane->is_unread = true;
    lane->rules.highest = lane->rules.last = lane->given = -1;
    lane->rules.position = lane->rules.read_before = lane->from_at = at;
    lane->handed_out = handed_out;
}

/* Until everything is there that was handed out before it began. */
static bool read_handed_out(const char **at, follow_lane_t *lane)
{
    lane->is_fresh = **at == '~';
    return !lane->is_fresh || read_after(at, '~', OFFSET_MAX, &lane->handed_out);
}

bool follower_load(follower_t *f, uint32_t number, const char *text, int64_t handed_out)
{
    follow_lane_t *lane = &f->lanes[number];
    int64_t next = 0;
    bool by_partition = f->order == STREAM_BY_PARTITION;
    lane->rules.is_loaded = lane->is_unread = true;
    lane->rules.highest = -1;
    lane->handed_out = handed_out;
    lane->from_at = FOLLOWER_FROM_BEGIN;
    if (!read_number(&text, OFFSET_MAX, &next))
        return false;
    lane->rules.last = lane->given = next - 1;
    lane->is_asked = *text == '\0';
    if (lane->is_asked)
        return true;
    if (!read_after(&text, '@', OFFSET_MAX, &lane->from_at) || (!by_partition && !read_place(&text, lane)) ||
        !read_handed_out(&text, lane))
        return false;
    lane->rules.position = lane->from_at;
    return *text == '\0';
}

int64_t follower_from(const follower_t *f, uint32_t lane)
{
    return f->lanes[lane].from_at;
}

bool follower_place_read(const char **text, uint32_t *ret_lane, char ret_text[GATHER_POSITION_MAX])
{
    int64_t lane;
    const char *at = *text;
    if (!read_number(&at, UINT16_MAX, &lane) || *at++ != ':')
        return false;
    size_t len = strcspn(at, ",");
    if (len == 0 || len >= GATHER_POSITION_MAX || (at[len] == ',' && at[len + 1] == '\0'))
        return false;
    memcpy(ret_text, at, len);
    ret_text[len] = '\0';
    *ret_lane = (uint32_t)lane;
    *text = at + len + (at[len] == ',');
    return true;
}
