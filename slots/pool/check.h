/* A check under way: what its lives share. */
#ifndef SLOTS_POOL_CHECK_H
#define SLOTS_POOL_CHECK_H

#include "slots/pool/protocol_check.h"

enum { ANSWER_MS = 10000, CHECK_VALUE_MAX = 1 << 20 };

typedef struct {
    const char *const *argv;
    uint32_t start_timeout_ms;
    int log_fd;
    fanmap_check_fn report;
    void *arg;
    unsigned wrong;
    peer_t peer;
    bool was_ready;    /* in the first life; else it is no use trying again */
    bool with_permits; /* in this life */
    uint32_t ahead;    /* of its hello */
    buf_t tasks;       /* likewise: all of them */
    uint32_t n, job_id, values, errors;
    char task[TASK_NAME_MAX + 1]; /* the first of them */
} check_t;

/* ---- protocol_check.c: the script, and its lives ---- */

/* Reports a finding; returns is_ok. */
bool check_note(check_t *c, bool is_ok, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Reports what the program did instead of what was wanted. Returns false. */
bool check_instead(check_t *c, const char *wanted, peer_event_t event);
served_encoding_t check_encoding(const check_t *c);

/* ---- check_runs.c ---- */

/* Sends the bytes, and frees the buffer. */
bool check_send(check_t *c, buf_t *bytes);
bool check_send_job(check_t *c, const char *task, const char *bound_json);
bool check_send_cancel(check_t *c, uint32_t n);
void check_put_run(check_t *c, buf_t *b, const buf_t *in, uint64_t index);
/* Whether the event is the one answer to run c->n, which then rises. */
bool check_answer(check_t *c, const char *what, peer_event_t event);
/* Whether the program sends nothing now. */
bool check_quiet(check_t *c, const char *what);
/* Runs of every kind of item for each task of the program. */
bool check_run_tasks(check_t *c);
/* Many runs, one after the other, with an n that passes the end of its 32 bits. */
bool check_run_many(check_t *c);
/* What a later worker may send: fields behind those that are known, and messages of other types. */
bool check_run_later(check_t *c);
/* A cancel of a run that was answered. */
bool check_cancel_stale(check_t *c);

/* ---- check_ahead.c ---- */

/* Three runs that are told at once: the program begins those that it is permitted to. */
bool check_runs_ahead(check_t *c);

#endif
