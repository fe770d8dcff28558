/* fanmap jobs and fanmap workers: a row, or a JSON object, for each. */
#include <inttypes.h>

#include "cli/admin.h"
#include "cli/commands.h"
#include "cli/jobs.h"
#include "cli/json.h"

static const char *const states[] = {"running", "paused", "ended"};

const char *job_state_word(fanmap_job_state_t state)
{
    return states[state];
}

void job_json(json_t *json, const fanmap_job_info_t *job)
{
    json_text(json, "job", job->job);
    json_text(json, "task", job->task);
    json_text(json, "queue", job->queue);
    json_text(json, "state", job_state_word(job->state));
    if (job->reason[0])
        json_text(json, "reason", job->reason);
    json_count(json, "concurrency", job->concurrency);
    json_int(json, "submitted_ms", job->submitted_ms);
    if (job->is_log_gone)
        json_bool(json, "log_gone", true);
    if (!job->has_counts)
        return;
    json_count(json, "known", job->known);
    json_count(json, "failed", job->failed);
    json_count(json, "retried", job->retried);
    json_count(json, "published", job->published);
    if (job->total >= 0)
        json_int(json, "total", job->total);
}

static void print_json(void *arg, const fanmap_job_info_t *job)
{
    json_t json = {0};
    (void)arg;
    json_begin(&json);
    job_json(&json, job);
    json_end(&json);
}

static void print_row(void *arg, const fanmap_job_info_t *job)
{
    char when[TIME_TEXT_MAX], done[64] = "", limit[24] = "-", state[40];
    bool *is_begun = arg;
    if (!*is_begun)
        printf("%-24s %-16s %-12s %-6s %-19s %-19s %s\n", "JOB", "TASK", "QUEUE", "LIMIT", "SUBMITTED", "STATE",
               "DONE");
    *is_begun = true;
    print_time(when, sizeof when, job->submitted_ms);
    if (job->concurrency > 0)
        snprintf(limit, sizeof limit, "%" PRIu64, job->concurrency);
    snprintf(state, sizeof state, "%s%s%s", job_state_word(job->state), job->reason[0] ? ": " : "", job->reason);
    if (job->is_log_gone)
        snprintf(done, sizeof done, "(its log is no longer whole)");
    else if (job->has_counts && job->total >= 0)
        snprintf(done, sizeof done, "%" PRIu64 "/%" PRId64, job->known, job->total);
    else if (job->has_counts)
        snprintf(done, sizeof done, "%" PRIu64 "/%" PRIu64 "+", job->known, job->published);
    printf("%-24s %-16s %-12s %-6s %-19s %-19s %s", job->job, job->task, job->queue, limit, when, state, done);
    if (job->failed > 0)
        printf(", %" PRIu64 " failed", job->failed);
    putchar('\n');
}

int run_jobs(arguments_t *arguments)
{
    fanmap_t *f;
    fanmap_error_t err;
    bool is_begun = false;
    int status = admin_open(arguments, &f);
    if (status != EXIT_ALL_WELL)
        return status;
    int r = fanmap_jobs(f, arguments->options, ADMIN_TIMEOUT_MS,
                        is_switch_set(arguments, "json") ? print_json : print_row, &is_begun, &err);
    return admin_close(f, r, &err);
}

/* ---- workers ---- */

static void print_worker_json(void *arg, const fanmap_worker_info_t *worker)
{
    json_t json = {0};
    (void)arg;
    json_begin(&json);
    json_text(&json, "id", worker->id);
    json_text(&json, "host", worker->host);
    json_count(&json, "pid", worker->pid);
    json_text(&json, "queue", worker->queue);
    json_text(&json, "tasks", worker->tasks);
    json_count(&json, "slots", worker->slots);
    json_count(&json, "running", worker->running);
    json_count(&json, "queued", worker->queued);
    json_count(&json, "partitions", worker->partitions);
    json_int(&json, "started_ms", worker->started_ms);
    json_int(&json, "silent_ms", worker->silent_ms);
    json_end(&json);
}

static void print_worker_row(void *arg, const fanmap_worker_info_t *worker)
{
    char process[96];
    bool *is_begun = arg;
    if (!*is_begun)
        printf("%-24s %-12s %7s %7s %8s %10s %6s  %s\n", "HOST:PID", "QUEUE", "SLOTS", "RUNNING", "QUEUED",
               "PARTITIONS", "SEEN", "TASKS");
    *is_begun = true;
    snprintf(process, sizeof process, "%s:%" PRIu64, worker->host, worker->pid);
    printf("%-24s %-12s %7" PRIu64 " %7" PRIu64 " %8" PRIu64 " %10" PRIu64 " %4" PRId64 " s  %s\n", process,
           worker->queue, worker->slots, worker->running, worker->queued, worker->partitions, worker->silent_ms / 1000,
           worker->tasks);
}

int run_workers(arguments_t *arguments)
{
    fanmap_t *f;
    fanmap_error_t err;
    bool is_begun = false;
    int status = admin_open(arguments, &f);
    if (status != EXIT_ALL_WELL)
        return status;
    int r = fanmap_workers(f, ADMIN_TIMEOUT_MS, is_switch_set(arguments, "json") ? print_worker_json : print_worker_row,
                           &is_begun, &err);
    return admin_close(f, r, &err);
}
