/* The inside of presence_t: shared by presence.c, which has the connection and announces, and presence_query.c, which asks. */
#ifndef TOKENS_PRESENCE_PRIVATE_H
#define TOKENS_PRESENCE_PRIVATE_H

#include "tokens/presence.h"
#include "tokens/redis_conn.h"

enum { PRESENCE_KEY_MAX = 2 * NAME_MAX_LEN + TASK_NAME_MAX + JOB_ID_MAX + 16 };

typedef struct question question_t;

struct presence {
    loop_t *loop;
    char name_space[NAME_MAX_LEN + 1];
    redis_conn_t *conn;
    loop_timer_t *timer; /* answers questions, one a turn */
    presence_refused_fn refused;
    void *refused_arg;
    question_t *questions;
    bool is_closed, was_up;
    bool is_refusal_reported; /* the refusal that lasts */
    int64_t renew_ms;         /* when keys were given their time anew */
};

/* A command was answered as it should be. */
void presence_served(presence_t *p);
/* The keys of the rows: when each was heard of, and what it said. */
void presence_name_rows(const char *name_space, char ret_seen[PRESENCE_KEY_MAX], char ret_rows[PRESENCE_KEY_MAX]);
/* Sends a script with its one or two keys (the second may be NULL) and its arguments, up to a NULL. Returns false if
 * the connection is ending. */
bool presence_eval(presence_t *p, redisCallbackFn *fn, void *arg, const char *text, const char *const keys[2],
                   const char *const *args);

/* ---- presence_query.c ---- */

/* The timer's function. */
void presence_answer_next(void *presence);
/* The connection is there: sends what waits for it. */
void presence_send_questions(presence_t *p);
/* The connection cannot be had: so ends what waits for it. */
void presence_fail_questions(presence_t *p, const fanmap_error_t *why);
void presence_free_questions(presence_t *p);

#endif
