/* --retry-failed: what the parts share. retry_failed.c: the old job is judged; retry_failed_collect.c: its values and inputs are
 * brought into order; retry_failed_feed.c: the new job is fed with them. */
#ifndef CLIENT_MAPPING_RETRY_FAILED_H
#define CLIENT_MAPPING_RETRY_FAILED_H

#include "aggregator/order.h"
#include "base/bitset.h"
#include "client/gathering/outcome.h"
#include "client/mapping/mapping.h"
#include "client/mapping/retry_choice.h"

enum { RETRY_ORIGINS_MAX = 32 };

/* A job under whose id inputs are: the old job's own, that of the job whose second try it is, and so on. */
typedef struct {
    char id[JOB_ID_MAX + 1];
    uint32_t partitions_n;
    int64_t submitted_ms;
} retry_origin_t;

struct retry_failed {
    fanmap_job_t *job;
    queue_ready_fn begin;    /* what comes when the inputs are collected */
    char of[JOB_ID_MAX + 1]; /* the old job */
    lookup_t *lookup;
    spec_t spec; /* of the old job; bound lives in `list` */
    retry_choice_t choice;
    outcome_view_t view; /* of a failure whose group is asked for */
    list_t *list;        /* the first reading */
    bus_reader_t *reader;
    bool is_judged, is_collected, is_fed;

    /* from the first reading */
    bool is_decided;
    uint64_t n;
    fanmap_kind_t missing; /* what an item without an outcome is */
    bitset_t valued, ran;  /* indexes with a value; that failed in an attempt */
    bitset_t kept;         /* that keep their error: never sent, or not chosen */
    uint64_t never_sent_n, chosen_n;

    retry_origin_t origins[RETRY_ORIGINS_MAX]; /* the first is the old job */
    size_t origins_n;
    char next_origin[JOB_ID_MAX + 1];

    /* collecting */
    list_t *again;    /* the second reading */
    uint64_t lowest;  /* index that needs its input; n: none */
    int64_t since_ms; /* when it began, as the record of its `start` says */
    int64_t *offsets; /* per partition, from where its inputs are; -1: from the beginning */
    uint64_t *wanted; /* per partition, inputs that are still to be found */
    bitset_t found;
    order_t *order; /* values, errors that stay, and inputs, by index */
};

/* In `order`: an input, not an outcome. */
#define RETRY_IS_INPUT UINT32_MAX

/* job->options name a job whose failed items the new one runs again: it is found out what there is before the new job
 * begins. Sets job->queue. */
int retry_new(fanmap_job_t *job, const char *of, queue_ready_fn begin, fanmap_error_t *err);
/* False: it goes on, and calls `begin` again when it knows more, or fails the job. */
bool retry_begin(retry_failed_t *retry);
void retry_free(retry_failed_t *retry);

void retry_fail(retry_failed_t *r, int code, const char *why);
/* True: it is known where inputs are. False: it goes on, and calls retry_collect when it is, or fails the job. */
bool retry_find_origins(retry_failed_t *r);
/* Whose input it is; NULL: nobody's. */
const retry_origin_t *retry_origin_of(const retry_failed_t *r, const void *key, size_t key_len);
/* Ends in retry_collected, or fails the job. */
void retry_collect(retry_failed_t *r);
void retry_collected(retry_failed_t *r);
/* The item must be run again. */
bool retry_wants(const retry_failed_t *r, uint64_t index);

#endif
