#include "client/admin/cleaner.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "client/options/options.h"

enum { LOOK_MS = 500, TIMEOUT_MS = 30000 };

struct cleaner {
    loop_t *loop;
    loop_timer_t *timer;
    fanmap_options_t *options;
    fanmap_log_fn log;
    void *log_arg;
    int64_t every_ms;
    pthread_t thread;
    bool is_running, was_denied; /* of the loop's thread */
    pthread_mutex_t mutex;       /* of what follows */
    fanmap_t *f;                 /* of the thread; NULL: not open */
    bool is_stopping, is_over;
    int result;
    fanmap_cleaned_t cleaned;
    fanmap_error_t error;
};

/* ---- in the thread ---- */

/* False: it is to stop. */
static bool share(cleaner_t *c, fanmap_t *f)
{
    pthread_mutex_lock(&c->mutex);
    bool may_go_on = !c->is_stopping;
    c->f = f;
    pthread_mutex_unlock(&c->mutex);
    return may_go_on;
}

static void *pass(void *arg)
{
    cleaner_t *c = arg;
    fanmap_t *f = NULL;
    fanmap_error_t err = {0};
    fanmap_cleaned_t cleaned = {0};
    int r = fanmap_open(c->options, NULL, NULL, &f, &err);
    if (r == FANMAP_OK && share(c, f))
        r = fanmap_clean(f, c->options, TIMEOUT_MS, &cleaned, sizeof cleaned, &err);
    (void)share(c, NULL);
    fanmap_close(f);
    pthread_mutex_lock(&c->mutex);
    c->result = r;
    c->cleaned = cleaned;
    c->error = err;
    c->is_over = true;
    pthread_mutex_unlock(&c->mutex);
    return NULL;
}

/* ---- in the loop ---- */

static void tell(cleaner_t *c)
{
    if (c->cleaned.jobs_forgotten > 0 || c->cleaned.records_deleted > 0)
        log_to(c->log, c->log_arg, FANMAP_LOG_INFO,
               "retention: %" PRIu64 " jobs whose log is gone are forgotten, %" PRIu64 " records of items deleted",
               c->cleaned.jobs_forgotten, c->cleaned.records_deleted);
    if (c->result == FANMAP_OK)
        return;
    bool is_denied = c->result == FANMAP_EREFUSED || c->result == FANMAP_ELOST;
    if (!is_denied || !c->was_denied) /* once: it will not change by itself */
        log_to(c->log, c->log_arg, is_denied ? FANMAP_LOG_WARNING : FANMAP_LOG_INFO,
               "retention: old jobs and items stay: %s", c->error.message);
    c->was_denied |= is_denied;
}

static bool start(cleaner_t *c)
{
    sigset_t all, before;
    c->is_over = false;
    sigfillset(&all); /* the signals of the program are not for this thread */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool ok = pthread_create(&c->thread, NULL, pass, c) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return ok;
}

static void on_timer(void *arg)
{
    cleaner_t *c = arg;
    int64_t now = loop_now_ms(c->loop);
    if (!c->is_running) {
        c->is_running = start(c);
        loop_timer_at(c->timer, now + (c->is_running ? LOOK_MS : c->every_ms));
        return;
    }
    pthread_mutex_lock(&c->mutex);
    bool is_over = c->is_over;
    pthread_mutex_unlock(&c->mutex);
    if (!is_over) {
        loop_timer_at(c->timer, now + LOOK_MS);
        return;
    }
    pthread_join(c->thread, NULL);
    c->is_running = false;
    tell(c);
    loop_timer_at(c->timer, now + c->every_ms);
}

/* It looks at what is there and needs no tokens. */
static int own_options(cleaner_t *c, const fanmap_options_t *options, fanmap_error_t *err)
{
    c->options = options_copy(options);
    if (!c->options)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    int r = fanmap_options_set(c->options, "redis", "none", err);
    return r == FANMAP_OK ? fanmap_options_set(c->options, "create-topics", "false", err) : r;
}

int cleaner_new(loop_t *loop, const fanmap_options_t *options, uint64_t seed, fanmap_log_fn log, void *log_arg,
                cleaner_t **ret, fanmap_error_t *err)
{
    cleaner_t *c = calloc(1, sizeof *c);
    if (!c)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    pthread_mutex_init(&c->mutex, NULL);
    c->loop = loop;
    c->log = log;
    c->log_arg = log_arg;
    c->every_ms = (int64_t)options_ms(options, OPT_CLEAN_EVERY);
    int r = own_options(c, options, err);
    if (r == FANMAP_OK)
        r = loop_timer_new(loop, on_timer, c, &c->timer, err);
    if (r != FANMAP_OK) {
        cleaner_free(c);
        return r;
    }
    if (c->every_ms > 0)
        loop_timer_at(c->timer, loop_clock_ms() + (int64_t)(seed % (uint64_t)c->every_ms));
    *ret = c;
    return FANMAP_OK;
}

void cleaner_free(cleaner_t *c)
{
    if (!c)
        return;
    if (c->is_running) {
        pthread_mutex_lock(&c->mutex);
        c->is_stopping = true;
        if (c->f)
            fanmap_wake(c->f);
        pthread_mutex_unlock(&c->mutex);
        pthread_join(c->thread, NULL);
    }
    loop_timer_free(c->timer);
    pthread_mutex_destroy(&c->mutex);
    fanmap_options_free(c->options);
    free(c);
}
