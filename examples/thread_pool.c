/* Gathers a job and hands its outcomes to a pool of threads, for work on them that takes longer than gathering.
 *
 *   job=$(seq 100000 | fanmap submit square)
 *   ./thread_pool "$job"
 *
 * One thread, this one, calls the library. An outcome is borrowed, so what goes to another thread is a copy
 * (fanmap_outcome_keep), which any thread may free. The queue between them is bounded: while it is full we simply do
 * not ask for more, and the library holds its reader. The threads here add the values up.
 */
#include <fanmap/fanmap.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 4, QUEUE_MAX = 256 };

typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t has_work, has_room;
    fanmap_outcome_t *queue[QUEUE_MAX];
    size_t first, n;
    bool is_closed;
    unsigned long long sum, values, failures;
} pool_t;

/* NULL: no more will come. */
static fanmap_outcome_t *pool_take(pool_t *pool)
{
    fanmap_outcome_t *outcome = NULL;
    pthread_mutex_lock(&pool->lock);
    while (pool->n == 0 && !pool->is_closed)
        pthread_cond_wait(&pool->has_work, &pool->lock);
    if (pool->n > 0) {
        outcome = pool->queue[pool->first];
        pool->first = (pool->first + 1) % QUEUE_MAX;
        pool->n--;
        pthread_cond_signal(&pool->has_room);
    }
    pthread_mutex_unlock(&pool->lock);
    return outcome;
}

static void pool_put(pool_t *pool, fanmap_outcome_t *outcome)
{
    pthread_mutex_lock(&pool->lock);
    while (pool->n == QUEUE_MAX)
        pthread_cond_wait(&pool->has_room, &pool->lock);
    pool->queue[(pool->first + pool->n++) % QUEUE_MAX] = outcome;
    pthread_cond_signal(&pool->has_work);
    pthread_mutex_unlock(&pool->lock);
}

static void pool_close(pool_t *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->is_closed = true;
    pthread_cond_broadcast(&pool->has_work);
    pthread_mutex_unlock(&pool->lock);
}

static void *work(void *arg)
{
    pool_t *pool = arg;
    fanmap_outcome_t *outcome;
    while ((outcome = pool_take(pool)) != NULL) {
        char text[32];
        bool is_value = outcome->kind == FANMAP_VALUE && outcome->value_len < sizeof text;
        if (is_value)
            memcpy(text, outcome->value, outcome->value_len);
        text[is_value ? outcome->value_len : 0] = '\0';
        fanmap_outcome_free(outcome);
        pthread_mutex_lock(&pool->lock);
        pool->sum += strtoull(text, NULL, 10);
        pool->values += is_value;
        pool->failures += !is_value;
        pthread_mutex_unlock(&pool->lock);
    }
    return NULL;
}

static int gather(fanmap_job_t *job, pool_t *pool, fanmap_error_t *err)
{
    const fanmap_outcome_t *outcome;
    fanmap_outcome_t *kept;
    int r;
    while ((r = fanmap_next(job, -1, &outcome, err)) == FANMAP_OK || r == FANMAP_AGAIN) {
        if (r == FANMAP_AGAIN)
            continue;
        if (fanmap_outcome_keep(outcome, &kept) != FANMAP_OK)
            return FANMAP_ENOMEM;
        pool_put(pool, kept);
    }
    return r;
}

int main(int argc, char **argv)
{
    pool_t pool = {
        .lock = PTHREAD_MUTEX_INITIALIZER, .has_work = PTHREAD_COND_INITIALIZER, .has_room = PTHREAD_COND_INITIALIZER};
    pthread_t threads[THREADS];
    fanmap_error_t err = {.message = "out of memory"};
    fanmap_options_t *options = NULL;
    fanmap_t *f = NULL;
    fanmap_job_t *job = NULL;
    int n = 0;
    int r = argc == 2 ? fanmap_options_new(&options) : FANMAP_EUSAGE;
    if (r == FANMAP_OK)
        r = fanmap_options_load(options, NULL, &err);
    if (r == FANMAP_OK)
        r = fanmap_options_set(options, "value-format", "json", &err);
    if (r == FANMAP_OK)
        r = fanmap_open(options, NULL, NULL, &f, &err);
    if (r == FANMAP_OK)
        r = fanmap_gather(f, argv[1], options, &job, &err);
    while (r == FANMAP_OK && n < THREADS && pthread_create(&threads[n], NULL, work, &pool) == 0)
        n++;
    if (r == FANMAP_OK && n > 0)
        r = gather(job, &pool, &err);
    pool_close(&pool);
    while (n > 0)
        pthread_join(threads[--n], NULL);
    if (r != FANMAP_END)
        fprintf(stderr, "thread_pool: %s\n", argc == 2 ? err.message : "usage: thread_pool JOB");
    printf("%llu values, sum %llu, %llu failures\n", pool.values, pool.sum, pool.failures);
    fanmap_close(f);
    fanmap_options_free(options);
    return r == FANMAP_END && pool.failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
