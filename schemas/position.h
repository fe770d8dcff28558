/* A reader's place in the list of a job, as a text that it may keep for any time and give back: 20 digits, how many
 * outcomes it was given (where it reads in order: the index of the next one), then "." and base64 (url alphabet, no
 * padding) of what spares reading the log from its start. The digits alone are a position too: from that index on.
 *
 * What is behind the dot says two things of the log. The list as it was when everything before `read_to` had been read,
 * by its numbers; and where the outcomes stand that were read by then and not given: `waiting` of them, in [reread_at,
 * read_to). So a reader that goes on reads those again, and then what follows, and never what it was given
 * (aggregator/list_resume.c). */
#ifndef SCHEMAS_POSITION_H
#define SCHEMAS_POSITION_H

#include "base/bitset.h"
#include "schemas/joblog.h"

enum {
    POSITION_VERSION = 1,
    POSITION_DIGITS = 20,
    POSITION_RANGES_MAX = 512,
    POSITION_SPREAD_MAX = JOBLOG_AHEAD_MAX,
    POSITION_ERROR_MAX = 400,
    POSITION_TEXT_MAX = 16384
};
#define POSITION_INDEX_MAX ((uint64_t)1 << 58)

typedef enum {
    POSITION_INDEX,   /* the digits alone */
    POSITION_ORDERED, /* every index below `number` was given */
    POSITION_ARRIVAL, /* without an order: those below `from` were not asked for, `given` were given */
    POSITION_COUNT    /* without an order: of those from `from` on, the first `number` to arrive were given */
} position_kind_t;

/* The numbers of a list; what each of them counts is said in aggregator/list_state.h. */
typedef struct {
    uint64_t known, failed, retried, cancelled, end, prefix, input_n, wanted, decided_n;
    int64_t total, input_at, closed_by;
    bool is_halting;
    uint32_t state;          /* list_state_t */
    end_reason_t end_reason; /* where it is decided */
} position_list_t;

typedef struct {
    position_kind_t kind;
    uint64_t number;
    uint64_t job; /* position_job */
    uint64_t from;
    int64_t reread_at;
    uint64_t reread_prefix; /* the progress of the producer at reread_at */
    uint64_t waiting;
    int64_t read_to;
    position_list_t list;
    char input_error[POSITION_ERROR_MAX + 1]; /* of the list; "": none */
    uint32_t ranges_n;
    struct {
        uint64_t from, n;
    } given[POSITION_RANGES_MAX]; /* ascending, none touches another, none is empty; from the first gap on they
                                       reach no further than POSITION_SPREAD_MAX */
} position_t;

/* Which job it is: another job, or a later one of the same id, has another number. */
uint64_t position_job(const spec_t *spec);
/* Appends the text, without a NUL. */
void position_encode(buf_t *b, const position_t *position);
/* Returns false if it is not a position of a version we know, or memory runs out. The text is not trusted: what a sound one
 * says may still be wrong. */
bool position_decode(const char *text, size_t len, position_t *ret);
/* Adds what was given to a set that has everything below `from` (in order: below `number`). Returns false if memory
 * runs out. */
bool position_given(const position_t *position, bitset_t *set);

#endif
