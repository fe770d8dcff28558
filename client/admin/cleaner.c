#include "client/admin/cleaner.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "client/admin/lost.h"
#include "client/options/options.h"
#include "io/thread.h"

enum { LOOK_MS = 500, TIMEOUT_MS = 30000, LOST_MS = 4000, STRANDED_MS = 10000, STRANDED_MAX_MS = 3600000 };

struct cleaner {
    loop_t *loop;
    loop_timer_t *timer;
    fanmap_options_t *options;
    fanmap_log_fn log;
    void *log_arg;
    int64_t every_ms, clean_at_ms, lost_at_ms; /* INT64_MAX: never */
    pthread_t thread;
    int64_t stranded_since_ms, stranded_ms; /* when that began, and after how long of it the next look is due */
    bool is_running, was_denied;            /* of the loop's thread */
    bool cleans, looks, again;              /* what the thread is there for; a look more is due */
    lost_look_t look;
    pthread_mutex_t mutex; /* of what follows */
    fanmap_t *f;           /* of the thread; NULL: not open */
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

static void *run_pass(void *arg)
{
    cleaner_t *c = arg;
    fanmap_t *f = NULL;
    fanmap_error_t err = {0};
    fanmap_cleaned_t cleaned = {0};
    int r = fanmap_open(c->options, NULL, NULL, &f, &err);
    bool may_go_on = r == FANMAP_OK && share(c, f);
    if (may_go_on && c->looks)
        r = lost_look(f, options_text(c->options, OPT_QUEUE), TIMEOUT_MS, &c->look, &c->again, &err);
    if (may_go_on && c->cleans && r == FANMAP_OK)
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

static void log_pass(cleaner_t *c)
{
    if (c->cleaned.jobs_forgotten > 0 || c->cleaned.records_deleted > 0)
        log_to(c->log, c->log_arg, FANMAP_LOG_INFO,
               "retention: %" PRIu64 " jobs whose log is gone are forgotten, %" PRIu64 " records of items deleted",
               c->cleaned.jobs_forgotten, c->cleaned.records_deleted);
    if (c->looks && c->look.told > 0)
        log_to(c->log, c->log_arg, FANMAP_LOG_WARNING, "%" PRIu64 " items that Kafka lost are listed as lost",
               c->look.told);
    c->look.told = 0;
    if (c->result == FANMAP_OK)
        return;
    if (!c->cleans) {
        log_to(c->log, c->log_arg, FANMAP_LOG_WARNING, "looking for items that Kafka lost: %s", c->error.message);
        return;
    }
    bool is_denied = c->result == FANMAP_EREFUSED || c->result == FANMAP_ELOST;
    if (!is_denied || !c->was_denied) /* once: it will not change by itself */
        log_to(c->log, c->log_arg, is_denied ? FANMAP_LOG_WARNING : FANMAP_LOG_INFO,
               "retention: old jobs and items stay: %s", c->error.message);
    c->was_denied |= is_denied;
}

static void arm_timer(cleaner_t *c)
{
    int64_t due = c->is_running ? loop_now_ms(c->loop) + LOOK_MS : earlier(c->clean_at_ms, c->lost_at_ms);
    if (due != INT64_MAX)
        loop_timer_at(c->timer, due);
}

static void begin_pass(cleaner_t *c, int64_t now)
{
    c->cleans = now >= c->clean_at_ms;
    c->looks = now >= c->lost_at_ms;
    c->again = false;
    if (!c->cleans && !c->looks)
        return;
    c->is_over = false;
    c->is_running = thread_start(run_pass, c, 0, &c->thread) == 0;
    if (c->cleans)
        c->clean_at_ms = now + c->every_ms;
    if (c->looks)
        c->lost_at_ms = c->is_running ? INT64_MAX : now + LOST_MS;
}

static void on_timer(void *arg)
{
    cleaner_t *c = arg;
    int64_t now = loop_now_ms(c->loop);
    if (!c->is_running) {
        begin_pass(c, now);
        arm_timer(c);
        return;
    }
    pthread_mutex_lock(&c->mutex);
    bool is_over = c->is_over;
    pthread_mutex_unlock(&c->mutex);
    if (is_over) {
        pthread_join(c->thread, NULL);
        c->is_running = false;
        log_pass(c);
        if (c->looks && (c->again || c->result != FANMAP_OK))
            c->lost_at_ms = earlier(c->lost_at_ms, now + LOST_MS);
    }
    arm_timer(c);
}

void cleaner_look_for_lost(cleaner_t *c)
{
    c->lost_at_ms = earlier(c->lost_at_ms, loop_now_ms(c->loop) + LOST_MS);
    arm_timer(c);
}

void cleaner_stranded(cleaner_t *c, bool is_stranded)
{
    int64_t now = loop_now_ms(c->loop);
    if (!is_stranded) {
        c->stranded_since_ms = now;
        c->stranded_ms = STRANDED_MS;
    } else if (now - c->stranded_since_ms >= c->stranded_ms) {
        c->stranded_ms = earlier(2 * c->stranded_ms, STRANDED_MAX_MS);
        c->stranded_since_ms = now;
        cleaner_look_for_lost(c);
    }
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
    c->lost_at_ms = INT64_MAX;
    c->stranded_since_ms = loop_clock_ms();
    c->stranded_ms = STRANDED_MS;
    c->clean_at_ms = c->every_ms > 0 ? loop_clock_ms() + (int64_t)(seed % (uint64_t)c->every_ms) : INT64_MAX;
    arm_timer(c);
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
