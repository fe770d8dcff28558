/* The gatherer of a stream (pure): from the stream's log to one visible record per outcome.
 *
 * The log has a partition for each lane of the source. Its packs say of each outcome the record's offset and the offset before it
 * (`prev`) as its worker read it; and of themselves `whole`: up to there every record has an outcome in the log before the pack.
 * Workers die and are doubted, so outcomes come twice, late, and by several workers at once. A gatherer hands each record out
 * once, in the order of its lane, in the order of each key, or as they come (gather_lane.h).
 *
 * What is handed out, and how far the log is read, are stored in one Kafka transaction: GATHERER_HAND_OUT puts a record into it
 * (none begun: begin one), GATHERER_COMMIT ends it with the positions of the lanes. A position is an offset of the log and a few
 * numbers beside it, as text: whoever has the lane next goes on from there. No pack is given in between a commit and its answer.
 *
 * What can fail. The answer is no, or never comes: nothing of what was handed out since the commit before is known to be visible,
 * so the lanes are forgotten and asked for anew (GATHERER_RELOAD). The group is dealt out anew: a transaction whose positions were
 * not sent is aborted. `generation` says which assignment a commit belongs to, and the shell gives Kafka the group's metadata of
 * that assignment and of no later one: so one who was thought dead cannot commit over its successor.
 * Records of the log are gone: what is known of them is part of the transaction that steps over them, so that no loss is silent, and
 * none is told by one who only looked too late. */
#ifndef AGGREGATOR_GATHERER_H
#define AGGREGATOR_GATHERER_H

#include "aggregator/gather_lane.h"

typedef struct gatherer gatherer_t;

typedef struct {
    stream_order_t order;
    uint32_t lanes_n;         /* of the log */
    uint32_t commit_every_ms; /* from the first record of a transaction until it is visible, about */
    uint32_t records_max;     /* of a transaction */
} gatherer_config_t;

typedef enum {
    GATHERER_TICK,
    GATHERER_FLUSH,    /* commit what there is, now */
    GATHERER_ASSIGNED, /* lane, and what was committed of it; also the answer to GATHERER_RELOAD */
    GATHERER_REVOKED,  /* every lane is being taken away, or is already someone else's */
    GATHERER_PACK,     /* what stands in the lane's log at `at` */
    GATHERER_GONE,     /* the lane's log no longer holds what is before `at`, which is beyond the position asked for */
    GATHERER_ANSWER    /* to GATHERER_COMMIT: ok, or no, or not known */
} gatherer_event_type_t;

typedef struct {
    gatherer_event_type_t type;
    int64_t now_ms;
    uint32_t lane;
    int64_t at;              /* ASSIGNED: the position committed, or 0 */
    const char *metadata;    /* ASSIGNED: "" where nothing was committed */
    uint64_t generation;     /* ASSIGNED */
    int64_t whole;           /* PACK; -1: nothing */
    gather_outcome_t *at_in; /* PACK: its outcomes, whose payloads are the gatherer's from here on */
    size_t n;
    bool ok; /* ANSWER */
} gatherer_event_t;

typedef enum {
    GATHERER_HAND_OUT, /* payload: into the transaction; GATHERER_RELEASE follows */
    GATHERER_RELEASE,  /* payload: it is not needed any more */
    GATHERER_COMMIT,   /* the positions (one GATHERER_POSITION each) that came before it, and end the transaction;
                          GATHERER_ANSWER follows */
    GATHERER_POSITION, /* lane, at, text */
    GATHERER_ABORT,    /* drop the transaction, if one is begun */
    GATHERER_RELOAD,   /* lane: ask for what is committed of it; GATHERER_ASSIGNED follows, and packs from there */
    GATHERER_LOSS /* lane, from, to: if this transaction is stored, outcomes of some of these offsets (both included) are lost */
} gatherer_action_type_t;

typedef struct {
    gatherer_action_type_t type;
    uint32_t lane;
    int64_t at, from, to;
    uint64_t generation; /* COMMIT */
    void *payload;
    const char *text; /* the gatherer's, until it takes the next step */
} gatherer_action_t;

typedef struct {
    gatherer_action_t *at;
    size_t n, cap;
    bool failed; /* out of memory: the gatherer must stop */
} gatherer_actions_t;
void gatherer_actions_free(gatherer_actions_t *actions);

/* The config is copied. NULL: out of memory. */
gatherer_t *gatherer_new(const gatherer_config_t *config);
/* The log has more lanes. False: out of memory, and it has not. */
bool gatherer_grow(gatherer_t *gatherer, uint32_t lanes_n);
/* Payloads that it holds are not given back: they die with the caller's process, or its log of them. */
void gatherer_free(gatherer_t *gatherer);
/* Empties `actions`, and appends. */
void gatherer_step(gatherer_t *gatherer, const gatherer_event_t *event, gatherer_actions_t *actions);
/* When to send GATHERER_TICK at the latest; INT64_MAX: never. */
int64_t gatherer_next_ms(const gatherer_t *gatherer);
/* Outcomes of the lane that are held in memory. */
size_t gatherer_held_n(const gatherer_t *gatherer, uint32_t lane);

#endif
