/* A check under way: what its lives (protocol_check.c, check_ahead.c) share. */
#ifndef SLOTS_POOL_CHECK_H
#define SLOTS_POOL_CHECK_H

#include "slots/pool/protocol_check.h"

enum { ANSWER_MS = 10000 };

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
    uint32_t n, job_id, values, errors;
    char task[TASK_NAME_MAX + 1];
} check_t;

/* Reports a finding; returns is_ok. */
bool check_note(check_t *c, bool is_ok, const char *format, ...) __attribute__((format(printf, 3, 4)));
served_encoding_t check_encoding(const check_t *c);
/* Starts it and hears hello and ready; the tasks of hello go to `tasks`, if any. False: *ret_code says whether it could be
 * started. */
bool check_begin(check_t *c, bool is_reported, buf_t *tasks, fanmap_error_t *err, int *ret_code);
bool check_send_job(check_t *c, const char *task, const char *bound_json);
/* Whether the event is the one answer to run c->n, which then rises. */
bool check_answer(check_t *c, const char *what, peer_event_t event);
bool check_quiet(check_t *c, const char *what);
/* Says bye and judges its end. */
void check_bye(check_t *c);

int check_ahead(check_t *c, fanmap_error_t *err);

#endif
