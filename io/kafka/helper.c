/* Some calls of librdkafka only exist as blocking ones: looking up topics and watermarks, reading commits, destroying
 * handles. One thread makes them, in the order in which they were asked for, so a handle is destroyed after all that
 * uses it.
 *
 * What can fail: a call that takes longer than the bus may take to close. The thread and what it works on are shared
 * between it and the bus; closing waits for as long as it may and then leaves the thread to finish by itself.
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "io/kafka/blocking_call.h"
#include "io/kafka/bus.h"
#include "io/kafka/source.h"
#include "io/thread.h"

typedef struct {
    kafka_call_t *first, **end;
} calls_t;

struct kafka_helper {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    calls_t todo, finished;
    bool closing, ended;
    unsigned refs;         /* the bus and the thread */
    kafka_source_t source; /* of the loop's thread; its descriptor is written to under the mutex */
};

static void calls_push(calls_t *asks, kafka_call_t *call)
{
    call->next = NULL;
    *asks->end = call;
    asks->end = &call->next;
}

static kafka_call_t *calls_pop(calls_t *asks)
{
    kafka_call_t *call = asks->first;
    if (call == NULL)
        return NULL;
    asks->first = call->next;
    if (asks->first == NULL)
        asks->end = &asks->first;
    return call;
}

static void unref(kafka_helper_t *helper) /* with the mutex held */
{
    bool last = --helper->refs == 0;
    pthread_mutex_unlock(&helper->mutex);
    if (!last)
        return;
    pthread_cond_destroy(&helper->changed);
    pthread_mutex_destroy(&helper->mutex);
    free(helper);
}

static void call_finish(kafka_helper_t *helper, kafka_call_t *call) /* with the mutex held */
{
    if (helper->closing) {
        pthread_mutex_unlock(&helper->mutex);
        call->drop(call);
        pthread_mutex_lock(&helper->mutex);
        return;
    }
    calls_push(&helper->finished, call);
    uint64_t one = 1;
    if (write(helper->source.fd, &one, sizeof one) < 0)
        return; /* full: it is readable already */
}

static void *thread_main(void *arg)
{
    kafka_helper_t *helper = arg;
    pthread_mutex_lock(&helper->mutex);
    for (;;) {
        kafka_call_t *call = calls_pop(&helper->todo);
        if (call == NULL && helper->closing)
            break;
        if (call == NULL) {
            pthread_cond_wait(&helper->changed, &helper->mutex);
            continue;
        }
        bool runs = call->must_run || !helper->closing;
        pthread_mutex_unlock(&helper->mutex);
        if (runs)
            call->run(call);
        pthread_mutex_lock(&helper->mutex);
        call_finish(helper, call);
    }
    helper->ended = true;
    pthread_cond_broadcast(&helper->changed);
    unref(helper);
    return NULL;
}

static bool run_done_callbacks(void *arg)
{
    kafka_helper_t *helper = arg;
    for (;;) {
        pthread_mutex_lock(&helper->mutex);
        kafka_call_t *call = calls_pop(&helper->finished);
        pthread_mutex_unlock(&helper->mutex);
        if (call == NULL)
            return false;
        call->done(call);
    }
}

int kafka_helper_new(kafka_bus_t *bus, kafka_helper_t **ret, fanmap_error_t *err)
{
    kafka_helper_t *helper = calloc(1, sizeof *helper);
    if (helper == NULL)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&helper->mutex, NULL);
    pthread_cond_init(&helper->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    helper->todo.end = &helper->todo.first;
    helper->finished.end = &helper->finished.first;
    helper->refs = 2;
    int code = kafka_source_open(&helper->source, bus->loop, run_done_callbacks, helper, err);
    if (code == FANMAP_OK && thread_start(thread_main, helper, 0, NULL) != 0) {
        kafka_source_close(&helper->source);
        code = err_set(err, FANMAP_EIO, "cannot start a thread");
    }
    pthread_mutex_lock(&helper->mutex);
    if (code != FANMAP_OK) {
        helper->refs = 1;
        unref(helper);
        return code;
    }
    pthread_mutex_unlock(&helper->mutex);
    *ret = helper;
    return FANMAP_OK;
}

void kafka_helper_submit(kafka_helper_t *helper, kafka_call_t *call)
{
    pthread_mutex_lock(&helper->mutex);
    calls_push(&helper->todo, call);
    pthread_cond_signal(&helper->changed);
    pthread_mutex_unlock(&helper->mutex);
}

void kafka_helper_close(kafka_helper_t *helper, int timeout_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + (int64_t)(timeout_ms < 0 ? 0 : timeout_ms) * 1000000;
    until.tv_sec += (time_t)(ns / 1000000000);
    until.tv_nsec = ns % 1000000000;

    pthread_mutex_lock(&helper->mutex);
    helper->closing = true;
    kafka_source_close(&helper->source);
    pthread_cond_signal(&helper->changed);
    for (kafka_call_t *call; (call = calls_pop(&helper->finished)) != NULL;)
        call->drop(call);
    int code = 0;
    while (!helper->ended && code != ETIMEDOUT)
        code = pthread_cond_timedwait(&helper->changed, &helper->mutex, &until);
    unref(helper);
}
