/* The embedded mode: a worker in this process, on the same loop, over the in-memory bus and a token table of our own.
 *
 * A program may map without end, and what is known of a job must not outlive it: when its handle is gone and every item
 * that was stored for its task is finished (a later one would be of a job that nobody knows), it is forgotten by
 * tombstones, as fanmap_clean does it on a fleet. A job whose id the caller chose is remembered: the id is taken.
 */
#include "client/connection/local.h"

#include <stdlib.h>
#include <string.h>

#include "client/connection/client.h"
#include "client/tasks/job_limits.h"
#include "client/tasks/serve.h"
#include "client/tasks/words_check.h"
#include "schemas/jobs.h"
#include "tokens/local_port.h"

enum { ENDED_MAX = 4096 };

/* A map that has gone, of which the worker and the jobs topic still know. */
typedef struct ended {
    struct ended *next;
    const queue_t *queue;
    size_t task;
    char id[JOB_ID_MAX + 1];
} ended_t;

struct local {
    slots_catalogue_t catalogue;
    worker_shell_t *shell;
    ended_t *ended;
    size_t ended_n;
};

static void on_log(void *arg, fanmap_log_level_t level, const char *line)
{
    fanmap_t *f = arg;
    client_log(f, level, "%s", line);
}

static void on_ended(void *arg, const fanmap_error_t *err)
{
    if (err)
        client_fail(arg, err);
}

/* Nothing else could run its jobs. */
static void on_cannot_start(void *arg, const char *task, const char *why)
{
    fanmap_t *f = arg;
    for (fanmap_job_t *job = f->jobs, *next; why && job; job = next) {
        next = job->next;
        if (strcmp(job->spec.task, task) == 0)
            job_fail(job, err_of(FANMAP_EUSAGE, "%s (time and again; nothing else here runs task %s)", why, task));
    }
}

static int start(fanmap_t *f, const fanmap_options_t *options, fanmap_error_t *err)
{
    static const worker_shell_callbacks_t callbacks = {
        .log = on_log, .ended = on_ended, .cannot_start = on_cannot_start};
    worker_shell_config_t config;
    bool is_relative;
    int r = serve_catalogue(options, &f->local->catalogue, err);
    if (r != FANMAP_OK)
        return r;
    serve_config(options, &f->local->catalogue, &config);
    config.queue = "default";
    config.slots_n = serve_local_places(options);
    config.memfree_bytes = options_bytes(options, OPT_MEMFREE);
    config.timeout_percent = (uint32_t)options_count(options, OPT_TIMEOUT_PERCENT);
    config.load_max = (uint32_t)options_limit(options, OPT_LOAD, &is_relative);
    config.partitions = 1;
    config.record_bytes_max = 0;
    config.item_bytes_max = config.value_bytes_max = UINT32_MAX; /* each map's own */
    r = tokens_local_port_open(f->loop, &f->tokens, err);
    if (r == FANMAP_OK)
        r = worker_shell_open(f->loop, f->bus, f->tokens, &config, &callbacks, f, &f->local->shell, err);
    return r;
}

static const slots_task_t *find_task(const struct local *local, const char *task)
{
    for (size_t i = 0; i < local->catalogue.n; i++)
        if (strcmp(local->catalogue.tasks[i].name, task) == 0)
            return &local->catalogue.tasks[i];
    return NULL;
}

int local_start(fanmap_job_t *job, fanmap_error_t *err)
{
    fanmap_t *f = job->f;
    const spec_t *spec = &job->spec;
    if (!f->local) {
        f->local = calloc(1, sizeof *f->local);
        if (!f->local)
            return err_set(err, FANMAP_ENOMEM, "out of memory");
        int r = start(f, job->options, err);
        if (r != FANMAP_OK) {
            local_stop(f);
            return r;
        }
    }
    local_forget(f);
    const slots_task_t *task = find_task(f->local, spec->task);
    if (!task)
        return err_set(
            err, FANMAP_EUSAGE,
            "no task \"%s\" here: give --tasks F.so or --serve NAME='CMD ARG...' that has it, or -- CMD ARG...",
            spec->task);
    int r = words_check(task, spec, options_text(job->options, OPT_HEADER) != NULL, err);
    return r == FANMAP_OK ? job_limits_check(spec, &task->terms.limits, "this task", err) : r;
}

uint64_t local_running(const fanmap_job_t *job)
{
    return job->f->local ? worker_running(worker_shell_core(job->f->local->shell), job->id) : 0;
}

/* ---- jobs that nobody can ask for any more ---- */

void local_ended(const fanmap_job_t *job)
{
    struct local *local = job->f->local;
    const slots_task_t *task = local ? find_task(local, job->spec.task) : NULL;
    if (!task || !job->queue || options_text(job->options, OPT_JOB_ID) || local->ended_n == ENDED_MAX)
        return;
    ended_t *ended = malloc(sizeof *ended);
    if (!ended)
        return;
    *ended = (ended_t){.next = local->ended, .queue = job->queue, .task = (size_t)(task - local->catalogue.tasks)};
    memcpy(ended->id, job->id, sizeof ended->id);
    local->ended = ended;
    local->ended_n++;
}

/* False: the bus is full, and some of it waits for the next time. */
static bool put_tombstones(const ended_t *ended)
{
    char key[JOB_ID_MAX + 17];
    fanmap_error_t err;
    for (int field = JOBS_SPEC; field <= JOBS_HALT; field++) {
        size_t len = jobs_key(key, sizeof key, ended->id, (jobs_field_t)field);
        if (bus_produce(ended->queue->jobs, 0, key, len, NULL, 0, 0, &err) != FANMAP_OK)
            return false;
    }
    return true;
}

void local_forget(fanmap_t *f)
{
    struct local *local = f->local;
    if (!local || !local->ended || bus_outbox_n(f->bus) > 0)
        return;
    size_t task = SIZE_MAX;
    uint64_t lag = 0;
    for (ended_t **at = &local->ended; *at;) {
        ended_t *ended = *at;
        lag = ended->task == task ? lag : worker_shell_lag(local->shell, ended->task);
        task = ended->task;
        if (lag > 0 || !put_tombstones(ended)) {
            at = &ended->next;
            continue;
        }
        *at = ended->next;
        free(ended);
        local->ended_n--;
    }
}

void local_stop(fanmap_t *f)
{
    if (!f->local)
        return;
    for (ended_t *ended = f->local->ended, *next; ended; ended = next) {
        next = ended->next;
        free(ended);
    }
    worker_shell_close(f->local->shell);
    slots_catalogue_free(&f->local->catalogue);
    free(f->local);
    f->local = NULL;
    if (f->tokens)
        f->tokens->close(f->tokens);
    f->tokens = NULL;
}
