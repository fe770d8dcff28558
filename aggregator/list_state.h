/* A list from inside, for list.c, list_decision.c and list_resume.c. */
#ifndef AGGREGATOR_LIST_STATE_H
#define AGGREGATOR_LIST_STATE_H

#include "aggregator/list.h"
#include "base/bitset.h"

struct list {
    char job[JOB_ID_MAX + 1];
    size_t job_len;
    list_callbacks_t callbacks;
    void *arg;
    bool out_of_memory;
    int64_t start_offset; /* of the record that counts; -1: not there */
    spec_t spec;
    uint8_t *bound;
    bitset_t known;
    /* known: outcomes, as far as the list is known; failed, retried: of all that were given to `outcome`; cancelled: of the
     * failed, those that workers wrote after --halt soon held. end: behind the highest index with an outcome. input_at:
     * where `input` stands, -1: it is not there; input_n: as it says (what follows it counts below that only); wanted: so
     * many known outcomes make the list whole then; total: its length, -1 before. closed_by: -1, or see list.h. */
    position_list_t now;
    uint64_t given_n; /* to `outcome`, or before list_resume */
    char *input_error;
    char producer[NONCE_MAX + 1];
    uint64_t bad_n;
    /* What list_resume was given: outcomes that were known and not handed out, `left` of them, stand before read_to. */
    struct {
        uint64_t left;
        int64_t read_to;
        bool is_misfit;
        position_list_t then;
    } resume;
};

/* Whether it counts, going by where it stands in the log. */
bool list_outcome_valid(const list_t *list, const outcome_t *outcome);
bool list_fold_progress(list_t *list, const progress_t *progress);
/* list_decision.c */
/* An outcome was counted: does it close the list, or make it whole? */
void list_judge(list_t *list, const outcome_t *outcome);
void list_decide_if_whole(list_t *list);
/* As long as its log shows it to be; or of n entries. */
void list_decide(list_t *list, list_state_t state, end_reason_t reason);
void list_decide_as(list_t *list, list_state_t state, end_reason_t reason, uint64_t n);
/* A record before read_to: gives out what was known and not handed out. */
bool list_resume_record(list_t *list, int64_t offset, joblog_record_t *record);

#endif
