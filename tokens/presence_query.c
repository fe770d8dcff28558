/* What is asked waits in a list until Redis has answered or cannot be reached, and is answered from the timer, never from inside
 * hiredis. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tokens/presence_private.h"
#include "tokens/script.h"

enum { TEXTS_MAX = 1 << 20, SILENT_S = 3 * PRESENCE_EVERY_MS / 1000 };

struct question {
    question_t *next;
    presence_t *presence;
    presence_what_t what;
    char keys[2][PRESENCE_KEY_MAX], word[32]; /* word: the script's one argument */
    presence_fn fn;                           /* NULL: nobody wants to know any more */
    void *arg;
    bool is_sent, is_over;
    const char **texts;
    size_t texts_n;
    char *bytes; /* of the texts */
    fanmap_error_t error;
};

static void question_free(question_t *q)
{
    free(q->texts);
    free(q->bytes);
    free(q);
}

/* One a turn: it may close the presence. */
void presence_answer_next(void *presence)
{
    presence_t *p = presence;
    question_t **at = &p->questions, *q;
    while ((q = *at) && !q->is_over)
        at = &q->next;
    if (!q)
        return;
    *at = q->next;
    loop_timer_at(p->timer, loop_now_ms(p->loop));
    if (q->fn)
        q->fn(q->arg, q->texts, q->texts_n, q->error.code ? &q->error : NULL);
    question_free(q);
}

static void end_question(question_t *q)
{
    q->is_over = true;
    loop_timer_at(q->presence->timer, loop_now_ms(q->presence->loop));
}

static bool keep_texts(question_t *q, const redisReply *reply)
{
    size_t bytes = 0, n = reply->elements;
    for (size_t i = 0; i < n; i++) {
        if (reply->element[i]->type != REDIS_REPLY_STRING)
            return false;
        bytes += (size_t)reply->element[i]->len + 1;
    }
    q->texts = calloc(n + 1, sizeof *q->texts);
    char *at = q->bytes = malloc(bytes + 1);
    if (!q->texts || !q->bytes)
        return false;
    for (size_t i = 0; i < n; i++) {
        size_t len = (size_t)reply->element[i]->len;
        memcpy(at, reply->element[i]->str, len);
        at[len] = '\0';
        q->texts[i] = at;
        at += len + 1;
    }
    q->texts_n = n;
    return true;
}

static void on_reply(redisAsyncContext *context, void *reply_arg, void *arg)
{
    const redisReply *reply = reply_arg;
    question_t *q = arg;
    presence_t *p = q->presence;
    (void)context;
    if (p->is_closed)
        return;
    if (!reply)
        err_set_retry(&q->error, FANMAP_EUNREACHABLE, "Redis: connection lost");
    else if (reply->type == REDIS_REPLY_ERROR)
        redis_conn_explain(p->conn, reply->str, (size_t)reply->len, &q->error);
    else if (reply->type != REDIS_REPLY_ARRAY || reply->elements == 0 || reply->elements > TEXTS_MAX ||
             !keep_texts(q, reply))
        err_set(&q->error, FANMAP_EIO, "Redis answered a question with something else");
    else
        presence_served(p);
    end_question(q);
}

static void send_question(question_t *q)
{
    static const char *const texts[] = {script_query_workers_text, script_query_servers_text, script_query_bounds_text,
                                        script_query_table_text, script_leave_text};
    bool has_two = q->what != PRESENCE_SERVERS && q->what != PRESENCE_TABLE;
    const char *const keys[2] = {q->keys[0], has_two ? q->keys[1] : NULL}, *const args[] = {q->word, NULL};
    q->is_sent = true;
    if (presence_eval(q->presence, on_reply, q, texts[q->what], keys, args))
        return;
    err_set_retry(&q->error, FANMAP_EUNREACHABLE, "Redis: the connection is ending");
    end_question(q);
}

static void name_keys(question_t *q, const char *name)
{
    static const char *const places[] = {
        [PRESENCE_SERVERS] = "serve", [PRESENCE_BOUNDS] = "serve", [PRESENCE_TABLE] = "tokens"};
    const char *name_space = q->presence->name_space;
    if (q->what == PRESENCE_LEAVE)
        snprintf(q->word, sizeof q->word, "%s", name);
    else
        snprintf(q->word, sizeof q->word, "%d", q->what == PRESENCE_WORKERS ? PRESENCE_FORGET_S : SILENT_S);
    if (q->what == PRESENCE_WORKERS || q->what == PRESENCE_LEAVE) {
        presence_name_rows(name_space, q->keys[0], q->keys[1]);
        return;
    }
    snprintf(q->keys[0], PRESENCE_KEY_MAX, "%s.%s.%s", name_space, places[q->what], name);
    snprintf(q->keys[1], PRESENCE_KEY_MAX, "%s.bounds.%s", name_space, name);
}

int presence_ask(presence_t *p, presence_what_t what, const char *name, presence_fn fn, void *arg, fanmap_error_t *err)
{
    question_t *q = calloc(1, sizeof *q);
    if (!q)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    *q = (question_t){.next = p->questions, .presence = p, .what = what, .fn = fn, .arg = arg};
    p->questions = q;
    name_keys(q, name);
    if (redis_conn_context(p->conn)) {
        send_question(q);
    } else if (!redis_conn_trying(p->conn)) {
        q->error = *redis_conn_why(p->conn);
        end_question(q);
    }
    return FANMAP_OK;
}

void presence_forget(presence_t *p, const void *arg)
{
    for (question_t *q = p ? p->questions : NULL; q; q = q->next)
        if (q->arg == arg)
            q->fn = NULL;
}

void presence_send_questions(presence_t *p)
{
    for (question_t *q = p->questions; q; q = q->next)
        if (!q->is_sent && !q->is_over)
            send_question(q);
}

void presence_fail_questions(presence_t *p, const fanmap_error_t *why)
{
    for (question_t *q = p->questions; q; q = q->next)
        if (!q->is_sent && !q->is_over) {
            q->error = *why;
            end_question(q);
        }
}

void presence_free_questions(presence_t *p)
{
    for (question_t *q = p->questions, *next; q; q = next) {
        next = q->next;
        question_free(q);
    }
}
