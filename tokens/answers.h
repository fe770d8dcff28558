/* What a port has to tell its callers, told later and in order: callbacks run from the loop, never from inside a call
 * or from inside hiredis. So a callback may close the port. */
#ifndef TOKENS_ANSWERS_H
#define TOKENS_ANSWERS_H

#include "io/loop/loop.h"
#include "tokens/port.h"

typedef enum { ANSWER_SYNC, ANSWER_CREATE, ANSWER_TEXT } answer_kind_t;

/* The owner fills kind, job, the callback and its arg when the call is made, and the rest when it is answered. */
typedef struct answer answer_t;
struct answer {
    answer_t *next; /* of answers_t, once put */
    answer_kind_t kind;
    char job[JOB_ID_MAX + 1];
    char nonce[NONCE_MAX + 1]; /* ANSWER_CREATE */
    uint64_t seq;              /* ANSWER_SYNC */
    int code;                  /* negative: err says why */
    fanmap_error_t err;
    tokens_reply_t reply;
    bool created;
    tokens_sync_fn sync_fn;
    tokens_create_fn create_fn;
    tokens_text_fn text_fn;
    char *text; /* ANSWER_TEXT */
    void *arg;
};

typedef struct answers answers_t;

int answers_new(loop_t *loop, answers_t **ret, fanmap_error_t *err);
/* NULL: no memory. Freed by answer_free until it is put. */
answer_t *answer_new(answer_kind_t kind, const char *job, void *arg);
void answer_free(answer_t *answer);
/* Takes the answer; its callback runs in the next turn of the loop. */
void answers_put(answers_t *answers, answer_t *answer);
/* Drops what was not told yet and frees the queue: at once, or when the callback that runs now has returned. No
 * callback begins after this. */
void answers_close(answers_t *answers);

#endif
