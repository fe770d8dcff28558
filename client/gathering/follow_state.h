/* What one who follows a stream holds; for follow.c, follow_begin.c and follow_place.c alone. */
#ifndef CLIENT_GATHERING_FOLLOW_STATE_H
#define CLIENT_GATHERING_FOLLOW_STATE_H

#include "client/connection/client.h"
#include "client/gathering/follow.h"
#include "client/joblog/end_watch.h"

typedef struct {
    follow_t *follow;
    uint32_t number;
    bus_reader_t *reader;
    int64_t handed_out; /* by the gatherers, when this one began */
    bool is_asked, is_at_end;
} follow_source_t;

struct follow {
    fanmap_job_t *job;
    char *from; /* NULL: what is there */
    char log_name[TOPIC_NAME_MAX], group_name[TOPIC_NAME_MAX];
    bus_topic_t *log;
    uint32_t lanes_n, at_end_n;
    follow_source_t *lanes;
    follower_t *follower;
    end_watch_t end;
    bool was_ended; /* before that watched it */
    bool is_following, is_held, is_begun, has_failed;
    size_t window_bytes;
};

stream_order_t follow_order(const fanmap_job_t *job);
/* follow.c */
void follow_fail(follow_t *follow, const fanmap_error_t *err);
void follow_read_lane(follow_source_t *lane, int64_t from);
/* follow_begin.c */
/* `from` is known: the lanes are looked up, and read. */
void follow_begin_lanes(follow_t *follow);
/* follow_place.c */
/* `from` into the lanes. FANMAP_EUSAGE: it is no place in this stream. */
int follow_read_places(follow_t *follow, fanmap_error_t *err);
/* A kept_place_fn: where a reader of this name was becomes `from`. */
void follow_on_kept(fanmap_job_t *job, const bus_answer_t *stored);

#endif
