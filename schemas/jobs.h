/* The jobs topic: compacted, one partition, keyed by job and field ("J/spec"). What workers must know of a job. */
#ifndef SCHEMAS_JOBS_H
#define SCHEMAS_JOBS_H

#include "schemas/joblog.h"

typedef enum { JOBS_SPEC = 1, JOBS_CONCURRENCY = 2, JOBS_PAUSED = 3, JOBS_END = 4, JOBS_HALT = 5 } jobs_field_t;

/* What a decided list comes to, as whoever wrote J/end counted it: for people, who then need not read the log. */
typedef struct {
    bool is_known;            /* else the rest is 0 */
    uint64_t total;           /* entries of the list */
    uint64_t done;            /* of these were not cancelled, nor missing when the deadline closed the list */
    uint64_t failed, retried; /* of the outcomes; attempts beyond the first, summed */
} jobs_counts_t;

typedef struct {
    char job[JOB_ID_MAX + 1];
    jobs_field_t field;
    bool tombstone;          /* an empty value: the field is forgotten */
    spec_t spec;             /* JOBS_SPEC: a copy of `start` with start_offset; borrows from the value */
    uint64_t value;          /* JOBS_CONCURRENCY: N; JOBS_PAUSED: 0 or 1 */
    uint64_t version;        /* of value: the highest counts, not the last; the spec's own concurrency is version 0 */
    jobs_counts_t counts;    /* JOBS_END */
    end_reason_t end_reason; /* JOBS_END; JOBS_HALT: why nothing more of it starts (END_HALT) */
} jobs_record_t;

bool jobs_decode(const void *key, size_t key_len, const void *value, size_t value_len, jobs_record_t *ret);
/* "J/field" with a NUL; cap of at least JOB_ID_MAX + 16. Returns its length. */
size_t jobs_key(char *ret, size_t cap, const char *job, jobs_field_t field);
void jobs_encode_spec(buf_t *b, const spec_t *spec);
void jobs_encode_versioned(buf_t *b, uint64_t value, uint64_t version);
void jobs_encode_end(buf_t *b, end_reason_t reason); /* also of JOBS_HALT */
/* The same where `counts` is not known. */
void jobs_encode_end_counted(buf_t *b, end_reason_t reason, const jobs_counts_t *counts);

/* The key "-clock", without a value: who writes it learns from its report what the broker's clock says. */
extern const char jobs_clock_key[];
bool jobs_is_clock(const void *key, size_t key_len);

/* The key "-dead": who puts which records of this topic on the dead letters. Everything below `until` is there. */
enum { JOBS_DEAD_WHO_MAX = 64 };
typedef struct {
    int64_t until, target; /* a claim on the offsets between them; nothing is claimed where they are the same */
    uint64_t number;       /* of the claim: the first record of the highest one counts */
    char who[JOBS_DEAD_WHO_MAX + 1];
} jobs_dead_t;

extern const char jobs_dead_key[];
bool jobs_dead_decode(const void *key, size_t key_len, const void *value, size_t value_len, jobs_dead_t *ret);
void jobs_dead_encode(buf_t *b, const jobs_dead_t *mark);

#endif
