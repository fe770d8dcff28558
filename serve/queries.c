#include "serve/queries.h"

#include <event2/event.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <utlist.h>

#include "serve/internal.h"

struct queries {
    serve_t *serve;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t more;
    query_t *waiting, *answered; /* in order; under the lock, as the next two */
    int n;
    bool is_stopping;
    query_t *asking; /* in the thread now */
    bool asker_left; /* it was woken for that */
    fanmap_t *f;     /* the thread's; NULL: it has none now */
    int fd;          /* an answer is there */
    struct event *ready;
};

/* NULL: there is none. */
static query_t *pop(query_t **line)
{
    query_t *q = *line;
    if (q)
        DL_DELETE(*line, q);
    return q;
}

void query_free(query_t *q)
{
    fanmap_options_free(q->filter);
    buf_free(&q->body);
    free(q);
}

/* ---- in the thread ---- */

/* Under the lock, since queries_stop wakes it. */
static void set_connection(queries_t *queries, fanmap_t *f)
{
    pthread_mutex_lock(&queries->lock);
    queries->f = f;
    pthread_mutex_unlock(&queries->lock);
}

static bool end_asking(queries_t *queries)
{
    pthread_mutex_lock(&queries->lock);
    bool left = queries->asker_left;
    queries->asking = NULL;
    queries->asker_left = false;
    pthread_mutex_unlock(&queries->lock);
    return left;
}

/* A connection that ended by an error is made anew for the next query. */
static void ask(queries_t *queries, fanmap_t **f, query_t *q)
{
    serve_t *serve = queries->serve;
    q->result = FANMAP_OK;
    if (!*f)
        q->result = fanmap_open(serve->options, NULL, NULL, f, &q->error);
    set_connection(queries, *f);
    if (q->result == FANMAP_OK)
        q->result = q->ask(q, *f, &q->error);
    bool left = end_asking(queries);
    if (left && *f) { /* it may have been woken behind its answer: not the next one */
        (void)fanmap_dispatch(*f, 1, NULL);
    } else if (q->result < 0 && *f && fanmap_dispatch(*f, 1, NULL) < 0) { /* it is over, not only this answer */
        set_connection(queries, NULL);
        fanmap_close(*f);
        *f = NULL;
    }
}

static void *run(void *arg)
{
    queries_t *queries = arg;
    const uint64_t one = 1;
    fanmap_t *f = NULL;
    pthread_mutex_lock(&queries->lock);
    while (!queries->is_stopping) {
        query_t *q = pop(&queries->waiting);
        if (!q) {
            pthread_cond_wait(&queries->more, &queries->lock);
            continue;
        }
        q->is_waiting = false;
        queries->asking = q;
        pthread_mutex_unlock(&queries->lock);
        ask(queries, &f, q);
        pthread_mutex_lock(&queries->lock);
        DL_APPEND(queries->answered, q);
        (void)!write(queries->fd, &one, sizeof one);
    }
    queries->f = NULL;
    pthread_mutex_unlock(&queries->lock);
    fanmap_close(f);
    return NULL;
}

/* ---- in the loop ---- */

static void answer_all(queries_t *queries, query_t **line)
{
    for (;;) {
        pthread_mutex_lock(&queries->lock);
        query_t *q = pop(line);
        queries->n -= q ? 1 : 0;
        pthread_mutex_unlock(&queries->lock);
        if (!q)
            return;
        q->answer(q);
    }
}

static void on_ready(evutil_socket_t fd, short what, void *arg)
{
    queries_t *queries = arg;
    uint64_t count;
    (void)what;
    (void)!read(fd, &count, sizeof count);
    answer_all(queries, &queries->answered);
}

static void release(queries_t *queries)
{
    if (queries->ready)
        event_free(queries->ready);
    if (queries->fd >= 0)
        close(queries->fd);
    pthread_cond_destroy(&queries->more);
    pthread_mutex_destroy(&queries->lock);
    free(queries);
}

queries_t *queries_start(serve_t *serve)
{
    queries_t *queries = calloc(1, sizeof *queries);
    if (!queries)
        return NULL;
    queries->serve = serve;
    pthread_mutex_init(&queries->lock, NULL);
    pthread_cond_init(&queries->more, NULL);
    queries->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (queries->fd >= 0)
        queries->ready = event_new(serve->base, queries->fd, EV_READ | EV_PERSIST, on_ready, queries);
    if (!queries->ready || event_add(queries->ready, NULL) != 0 ||
        pthread_create(&queries->thread, NULL, run, queries) != 0) {
        release(queries);
        return NULL;
    }
    return queries;
}

bool queries_ask(queries_t *queries, query_t *q)
{
    pthread_mutex_lock(&queries->lock);
    bool has_room = queries->n < QUERIES_MAX;
    if (has_room) {
        queries->n++;
        q->is_waiting = true;
        DL_APPEND(queries->waiting, q);
        pthread_cond_signal(&queries->more);
    }
    pthread_mutex_unlock(&queries->lock);
    return has_room;
}

void queries_forget(queries_t *queries, query_t *q)
{
    pthread_mutex_lock(&queries->lock);
    bool was_waiting = q->is_waiting;
    if (was_waiting) {
        DL_DELETE(queries->waiting, q);
        queries->n--;
    }
    queries->asker_left |= queries->asking == q;
    if (queries->asking == q && queries->f)
        fanmap_wake(queries->f);
    pthread_mutex_unlock(&queries->lock);
    q->arg = NULL;
    if (was_waiting)
        query_free(q);
}

void queries_stop(queries_t *queries)
{
    if (!queries)
        return;
    pthread_mutex_lock(&queries->lock);
    queries->is_stopping = true;
    if (queries->f)
        fanmap_wake(queries->f);
    pthread_cond_signal(&queries->more);
    pthread_mutex_unlock(&queries->lock);
    pthread_join(queries->thread, NULL);
    for (query_t *q = queries->waiting; q; q = q->next)
        q->result = FANMAP_AGAIN;
    answer_all(queries, &queries->answered);
    answer_all(queries, &queries->waiting);
    release(queries);
}
