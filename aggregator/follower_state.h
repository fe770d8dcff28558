/* What a follower holds; for follower.c and follower_place.c alone. */
#ifndef AGGREGATOR_FOLLOWER_STATE_H
#define AGGREGATOR_FOLLOWER_STATE_H

#include "aggregator/follower.h"

#define OFFSET_MAX ((int64_t)1 << 60)

typedef struct follow_pack {
    struct follow_pack *next;
    size_t refs;
    void *owner;
    const void *value;
    size_t len;
    int64_t at;
} follow_pack_t;

/* One outcome that the lane's rules have, or that was handed out and waits to be taken. */
typedef struct follow_entry {
    struct follow_entry *next;
    unsigned refs;
    follow_pack_t *pack;
    uint32_t number; /* in its pack */
    stream_outcome_t outcome;
} follow_entry_t;

typedef struct {
    gather_lane_t rules;
    follow_pack_t *packs, **packs_end;
    follow_entry_t *ready, **ready_end;
    bool is_looking; /* at the record before rules.position, whose `whole` is not heeded yet */
    int64_t whole;
    int64_t given;      /* by partition: the last offset that was taken */
    int64_t from_at;    /* FOLLOWER_FROM_BEGIN: unknown */
    uint32_t skip;      /* of the record at rules.read_before: so many were taken before */
    int64_t handed_out; /* as others had it when this one began */
    bool is_unread;     /* nothing came of it yet */
    bool is_fresh;      /* nothing was asked for: what is not there any more is not missed */
    bool was_at_end;
    bool is_at_end; /* all of it was read that was there then, and that is not heeded yet */
    bool is_asked;  /* an offset was asked for, and nobody knows where in the log */
} follow_lane_t;

struct follower {
    stream_order_t order;
    uint32_t lanes_n, turn;
    uint64_t ready_n;
    size_t waiting_bytes;
    follow_lane_t *lanes;
    follow_lane_t *now; /* whose rules are at work */
    follow_entry_t *taken;
    follower_release_fn release;
    void *arg;
    bool failed;
};

#endif
