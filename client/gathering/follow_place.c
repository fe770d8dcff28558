/* Where one who follows a stream begins and stands: "HASH;LANE:PLACE,...", and what of it is kept in Kafka, "HASH;PLACE" for each lane. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/gathering/follow_state.h"
#include "client/gathering/gather.h"
#include "schemas/position.h"

stream_order_t follow_order(const fanmap_job_t *job)
{
    return options_switch(job->options, OPT_UNORDERED) ? STREAM_UNORDERED : job->spec.stream;
}

static int bad_place(const follow_t *f, fanmap_error_t *err)
{
    return err_set(
        err, FANMAP_EUSAGE,
        "\"%.40s\" is no place in stream %s: LANE:OFFSET,..., or what a reader of it %s --unordered has kept", f->from,
        f->job->id, follow_order(f->job) == STREAM_UNORDERED ? "with" : "without");
}

/* "HASH;LANE:...,": whose stream it is; nothing where a user wrote it. */
int follow_read_places(follow_t *f, fanmap_error_t *err)
{
    const char *at = f->from;
    char text[GATHER_POSITION_MAX], *end;
    uint32_t lane;
    const char *mark = strchr(at, ';');
    if (mark && (strtoull(at, &end, 16) != position_job(&f->job->spec) || end != mark))
        return err_set(err, FANMAP_EUSAGE, "the place is of another stream than %s, or of an earlier one of that name",
                       f->job->id);
    at = mark ? mark + 1 : at;
    while (*at != '\0') {
        if (!follower_place_read(&at, &lane, text) || lane >= f->lanes_n || f->lanes[lane].is_asked ||
            !follower_load(f->follower, lane, text, f->lanes[lane].handed_out))
            return bad_place(f, err);
        f->lanes[lane].is_asked = true;
    }
    return FANMAP_OK;
}

/* What is stored of a lane: "HASH;", and its text. */
static size_t put_hash(const follow_t *f, char ret[20])
{
    return (size_t)snprintf(ret, 20, "%016" PRIx64 ";", position_job(&f->job->spec));
}

/* Where a reader of this name was, as one text. */
void follow_on_kept(fanmap_job_t *job, const bus_answer_t *stored)
{
    follow_t *f = gather_follow(job);
    char hash[20];
    size_t len = put_hash(f, hash);
    buf_t place = {0};
    for (uint32_t i = 0; i < f->lanes_n; i++) {
        const char *text = stored->metadata && stored->metadata[i] ? stored->metadata[i] : "";
        if (!*text)
            continue;
        if (place.len == 0)
            buf_append_text(&place, hash);
        if (strncmp(text, hash, len) != 0) {
            buf_free(&place);
            follow_fail(f, err_of(FANMAP_EUSAGE,
                                  "what is kept under the name %s is of an earlier stream %s: take another name, or "
                                  "delete that group with Kafka's tools",
                                  options_text(job->options, OPT_AS), job->id));
            return;
        }
        buf_printf(&place, "%s%" PRIu32 ":%s", place.len > len ? "," : "", i, text + len);
    }
    if (place.len > 0) {
        buf_append(&place, "", 1);
        free(f->from);
        f->from = (char *)place.data;
    }
    if (place.failed)
        follow_fail(f, err_of(FANMAP_ENOMEM, "out of memory"));
    else
        follow_begin_lanes(f);
}

void follow_put_place(const follow_t *f, buf_t *b)
{
    if (!f->is_begun && f->from) {
        buf_append_text(b, f->from);
        return;
    }
    char hash[20];
    buf_append(b, hash, put_hash(f, hash));
    if (f->is_begun)
        follower_place(f->follower, b);
}

/* The first record of the log that is needed: what a lag is reckoned by. */
static int64_t offset_of(const char *text)
{
    const char *at = strchr(text, '@');
    return at ? strtoll(at + 1, NULL, 10) : 0;
}

int follow_store_place(const follow_t *f, kept_place_t *kept, uint64_t mark, fanmap_error_t *err)
{
    char hash[20];
    buf_t texts = {0};
    bus_position_t *positions = calloc(f->lanes_n + 1U, sizeof *positions);
    size_t *begins = calloc(f->lanes_n + 1U, sizeof *begins), n = 0;
    (void)put_hash(f, hash);
    for (uint32_t i = 0; begins && positions && f->is_begun && i < f->lanes_n; i++) {
        size_t begin = texts.len;
        buf_append_text(&texts, hash);
        if (!follower_place_of(f->follower, i, &texts)) {
            texts.len = begin;
            continue;
        }
        buf_append(&texts, "", 1);
        positions[n].partition = (int32_t)i;
        begins[n++] = begin;
    }
    bool has_memory = begins && positions && !texts.failed;
    for (size_t i = 0; has_memory && i < n; i++) {
        positions[i].metadata = (const char *)texts.data + begins[i];
        positions[i].offset = offset_of(positions[i].metadata);
    }
    int r = has_memory ? kept_place_store(kept, positions, n, mark, err) : err_set(err, FANMAP_ENOMEM, "out of memory");
    free(positions);
    free(begins);
    buf_free(&texts);
    return r;
}
