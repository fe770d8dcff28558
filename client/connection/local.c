/* The embedded mode: a worker in this process, on the same loop, over the in-memory bus and a token table of our own.
 */
#include "client/connection/local.h"

#include <stdlib.h>
#include <string.h>

#include "client/connection/client.h"
#include "client/tasks/job_limits.h"
#include "client/tasks/serve.h"
#include "client/tasks/words_check.h"
#include "tokens/local_port.h"

struct local {
    slots_catalogue_t catalogue;
    worker_shell_t *shell;
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
    fanmap_error_t err;
    for (fanmap_job_t *job = f->jobs, *next; why && job; job = next) {
        next = job->next;
        if (strcmp(job->spec.task, task) != 0 || job->error.code)
            continue;
        err_set(&err, FANMAP_EUSAGE, "%s (time and again; nothing else here runs task %s)", why, task);
        job_fail(job, &err);
    }
}

static int start(fanmap_t *f, const fanmap_options_t *options, fanmap_error_t *err)
{
    static const worker_shell_callbacks_t callbacks = {
        .log = on_log, .ended = on_ended, .cannot_start = on_cannot_start};
    worker_shell_config_t config;
    int r = serve_catalogue(options, &f->local->catalogue, err);
    if (r != FANMAP_OK)
        return r;
    serve_config(options, &f->local->catalogue, &config);
    config.queue = "default";
    config.slots_n = serve_local_places(options);
    config.partitions = 1;
    config.record_bytes_max = 0;
    config.item_bytes_max = config.value_bytes_max = UINT32_MAX; /* each map's own */
    r = tokens_local_port_open(f->loop, &f->tokens, err);
    if (r == FANMAP_OK)
        r = worker_shell_open(f->loop, f->bus, f->tokens, &config, &callbacks, f, &f->local->shell, err);
    return r;
}

static const slots_task_t *find(const struct local *local, const char *task)
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
    const slots_task_t *task = find(f->local, spec->task);
    if (!task)
        return err_set(
            err, FANMAP_EUSAGE,
            "no task \"%s\" here: give --tasks F.so or --serve NAME='CMD ARG...' that has it, or -- CMD ARG...",
            spec->task);
    int r = words_check(task, spec, err);
    return r == FANMAP_OK ? job_limits_check(spec, &task->terms.limits, "this task", err) : r;
}

uint64_t local_running(const fanmap_job_t *job)
{
    return job->f->local ? worker_shell_running(job->f->local->shell, job->id) : 0;
}

void local_stop(fanmap_t *f)
{
    if (!f->local)
        return;
    worker_shell_close(f->local->shell);
    slots_catalogue_free(&f->local->catalogue);
    free(f->local);
    f->local = NULL;
    if (f->tokens)
        f->tokens->close(f->tokens);
    f->tokens = NULL;
}
