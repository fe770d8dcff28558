/* A connection with all rooms in it. Closing it cancels what the caller left open and waits until Kafka has stored
 * that. */
#include "client/handle/handle.h"
#include "client/joblog/kept_logs.h"
#include "client/mapping/map.h"

static bool has_news(const fanmap_t *f)
{
    const fanmap_job_t *job = f->jobs;
    while (job && !job_has_news(job) && !pipe_due(job))
        job = job->next;
    return job || maps_due(f);
}

static bool has_work(const fanmap_t *f)
{
    return pipes_due(f) || maps_due(f);
}

static void after_turn(fanmap_t *f)
{
    pipes_run(f);
    maps_run(f);
    jobs_sweep(f);
}

int client_open(const fanmap_options_t *options, uint32_t fetch_kbytes, fanmap_log_fn log, void *log_arg,
                fanmap_t **ret_f, fanmap_error_t *err)
{
    static const client_hooks_t hooks = {has_news, has_work, after_turn};
    return connection_open(options, fetch_kbytes, &hooks, log, log_arg, ret_f, err);
}

int fanmap_open(const fanmap_options_t *options, fanmap_log_fn log, void *log_arg, fanmap_t **ret_f,
                fanmap_error_t *err)
{
    return client_open(options, 0, log, log_arg, ret_f, err);
}

static bool is_under_way(fanmap_t *f)
{
    for (fanmap_job_t *job = f->jobs; job; job = job->next)
        if (!map_is_over(job))
            return true;
    return bus_outbox_n(f->bus) > 0;
}

/* An embedded job dies with its worker: nothing of it is cancelled. */
static void cancel_and_wait(fanmap_t *f)
{
    for (fanmap_job_t *job = f->jobs, *next; job; job = next) {
        next = job->next;
        fanmap_job_close(job, false);
    }
    int64_t until = loop_clock_ms() + (int64_t)options_ms(f->options, OPT_CLOSE_TIMEOUT);
    while (is_under_way(f) && !f->error.code && loop_clock_ms() < until)
        if (client_turn(f, 20, NULL) != FANMAP_OK)
            return;
    if (is_under_way(f) && !f->error.code)
        client_log(f, FANMAP_LOG_WARNING, "closed before Kafka had stored everything (%zu records; --close-timeout)",
                   bus_outbox_n(f->bus));
}

void fanmap_close(fanmap_t *f)
{
    if (!f)
        return;
    if (!f->is_local)
        cancel_and_wait(f);
    while (f->jobs)
        job_free(f->jobs);
    kept_logs_free(f->shown_logs);
    kept_logs_free(f->listed_logs);
    connection_close(f);
}

const char *fanmap_version(void)
{
    return FANMAP_VERSION;
}
