/* A list of answers and a timer that tells them in the loop's next turn. Closing from inside a callback is allowed:
 * the list is then freed when the turn is over. */
#include "tokens/answers.h"

#include <stdio.h>
#include <stdlib.h>

struct answers {
    loop_t *loop;
    loop_timer_t *timer; /* unlike a deferred call it can be taken back */
    answer_t *first, **last;
    bool running, closed;
};

answer_t *answer_new(answer_kind_t kind, const char *job, void *arg)
{
    answer_t *a = calloc(1, sizeof *a);
    if (!a)
        return NULL;
    a->kind = kind;
    a->arg = arg;
    snprintf(a->job, sizeof a->job, "%s", job);
    return a;
}

void answer_free(answer_t *answer)
{
    free(answer->text);
    free(answer);
}

void answers_put(answers_t *answers, answer_t *answer)
{
    answer->next = NULL;
    *answers->last = answer;
    answers->last = &answer->next;
    loop_timer_at(answers->timer, loop_now_ms(answers->loop));
}

static void call_back(const answer_t *a)
{
    const fanmap_error_t *err = a->code < 0 ? &a->err : NULL;
    switch (a->kind) {
    case ANSWER_SYNC:
        a->sync_fn(a->arg, a->job, a->seq, !err ? &a->reply : NULL, err);
        break;
    case ANSWER_CREATE:
        a->create_fn(a->arg, a->job, a->nonce, a->created, err);
        break;
    case ANSWER_TEXT:
        a->text_fn(a->arg, a->text);
        break;
    }
}

static void release(answers_t *answers)
{
    while (answers->first) {
        answer_t *a = answers->first;
        answers->first = a->next;
        answer_free(a);
    }
    loop_timer_free(answers->timer);
    free(answers);
}

/* Tells what waits now; what the callbacks add comes in the next turn. */
static void run(void *arg)
{
    answers_t *answers = arg;
    answer_t *a = answers->first;
    answers->first = NULL;
    answers->last = &answers->first;
    answers->running = true;
    while (a) {
        answer_t *next = a->next;
        if (!answers->closed)
            call_back(a);
        answer_free(a);
        a = next;
    }
    answers->running = false;
    if (answers->closed)
        release(answers);
}

int answers_new(loop_t *loop, answers_t **ret, fanmap_error_t *err)
{
    answers_t *answers = calloc(1, sizeof *answers);
    if (!answers)
        return err_set(err, FANMAP_ENOMEM, "no memory for the token tables");
    answers->loop = loop;
    answers->last = &answers->first;
    int code = loop_timer_new(loop, run, answers, &answers->timer, err);
    if (code != FANMAP_OK) {
        free(answers);
        return code;
    }
    *ret = answers;
    return FANMAP_OK;
}

void answers_close(answers_t *answers)
{
    answers->closed = true;
    if (!answers->running)
        release(answers);
}
