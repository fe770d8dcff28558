/* fanmap jobs and fanmap workers: a row, or a JSON object, for each. */
#include <inttypes.h>

#include "cli/admin.h"
#include "cli/commands.h"

DEFINE_PRINT_JSON(print_job_json, fanmap_job_info_t, view_job)

static void print_job_row(void *arg, const fanmap_job_info_t *job)
{
    char when[TIME_TEXT_MAX], done[64] = "", limit[24] = "-", state[40];
    bool *is_begun = arg;
    if (!*is_begun)
        printf("%-24s %-6s %-16s %-12s %-6s %-19s %-22s %s\n", "JOB", "KIND", "TASK", "QUEUE", "LIMIT", "SUBMITTED",
               "STATE", "DONE");
    *is_begun = true;
    if (!job)
        return; /* only what stands above */
    print_time(when, sizeof when, job->submitted_ms);
    if (job->concurrency > 0)
        snprintf(limit, sizeof limit, "%" PRIu64, job->concurrency);
    snprintf(state, sizeof state, "%s%s%s", view_state_word(job->state), job->reason[0] ? ": " : "", job->reason);
    if (job->is_log_gone)
        snprintf(done, sizeof done, "(its log is no longer whole)");
    else if (job->has_counts && job->total >= 0)
        snprintf(done, sizeof done, "%" PRIu64 "/%" PRId64, job->known, job->total);
    else if (job->has_counts)
        snprintf(done, sizeof done, "%" PRIu64 "/%" PRIu64 "+", job->known, job->published);
    printf("%-24s %-6s %-16s %-12s %-6s %-19s %-22s %s", job->job, view_kind_word(job), job->task, job->queue, limit,
           when, state, done);
    if (job->failed > 0)
        printf(", %" PRIu64 " failed", job->failed);
    putchar('\n');
}

static int list_jobs(fanmap_t *f, arguments_t *arguments, fanmap_error_t *err)
{
    bool is_begun = false, is_json = is_switch_set(arguments, "json");
    int r =
        fanmap_jobs(f, arguments->options, ADMIN_TIMEOUT_MS, is_json ? print_job_json : print_job_row, &is_begun, err);
    if (r == FANMAP_OK && !is_begun && !is_json)
        print_job_row(&is_begun, NULL);
    return r;
}

int run_jobs(arguments_t *arguments)
{
    return admin_ask(arguments, list_jobs);
}

/* ---- workers ---- */

DEFINE_PRINT_JSON(print_worker_json, fanmap_worker_info_t, view_worker)

static void print_worker_row(void *arg, const fanmap_worker_info_t *worker)
{
    char process[96];
    bool *is_begun = arg;
    if (!*is_begun)
        printf("%-24s %-12s %7s %7s %8s %10s %6s  %s\n", "HOST:PID", "QUEUE", "SLOTS", "RUNNING", "QUEUED",
               "PARTITIONS", "SEEN", "TASKS");
    *is_begun = true;
    if (!worker)
        return;
    snprintf(process, sizeof process, "%s:%" PRIu64, worker->host, worker->pid);
    printf("%-24s %-12s %7" PRIu64 " %7" PRIu64 " %8" PRIu64 " %10" PRIu64 " %4" PRId64 " s  %s\n", process,
           worker->queue, worker->slots, worker->running, worker->queued, worker->partitions, worker->silent_ms / 1000,
           worker->tasks);
}

static int list_workers(fanmap_t *f, arguments_t *arguments, fanmap_error_t *err)
{
    bool is_begun = false, is_json = is_switch_set(arguments, "json");
    int r = fanmap_workers(f, ADMIN_TIMEOUT_MS, is_json ? print_worker_json : print_worker_row, &is_begun, err);
    if (r == FANMAP_OK && !is_begun && !is_json)
        print_worker_row(&is_begun, NULL);
    return r;
}

int run_workers(arguments_t *arguments)
{
    return admin_ask(arguments, list_workers);
}
