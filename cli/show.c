/* fanmap show: a job, its counts, and what holds it up, as lines or as one JSON object. */
#include <inttypes.h>

#include "cli/admin.h"
#include "cli/commands.h"

static void print_json(void *arg, const fanmap_show_t *show)
{
    buf_t line = {0};
    (void)arg;
    view_show(&line, show);
    print_view(&line);
}

static void print_policy(const fanmap_show_t *show)
{
    printf("policy     ");
    for (size_t i = 0; i < show->policy_n; i++)
        printf("%s--%s%s%s", i > 0 ? " " : "", show->policy_names[i],
               strcmp(show->policy_values[i], "true") == 0 ? "" : " ",
               strcmp(show->policy_values[i], "true") == 0 ? "" : show->policy_values[i]);
    puts(show->policy_n > 0 ? "" : "(defaults)");
}

static void print_counts(const fanmap_show_t *show)
{
    const fanmap_job_info_t *job = &show->summary;
    if (job->is_log_gone) {
        puts("items      the beginning of its log is gone (retention)");
        return;
    }
    printf("items      %" PRIu64 " done of %" PRIu64 "%s, %" PRIu64 " failed, %" PRIu64 " retried\n", job->known,
           job->published, job->total < 0 ? " so far" : "", job->failed, job->retried);
    printf("kinds     ");
    for (int kind = 0; kind < FANMAP_KINDS; kind++)
        if (show->kinds[kind] > 0)
            printf(" %s %" PRIu64, fanmap_kind_name((fanmap_kind_t)kind), show->kinds[kind]);
    putchar('\n');
    printf("rate       %.1f a second\n", show->rate);
    if (show->oldest_index >= 0)
        printf("first      item %" PRId64 " is the first without an outcome\n", show->oldest_index);
    if (show->running_index >= 0)
        printf("oldest     item %" PRId64 ", attempt %" PRId64 ", has run for %.1f s on %s\n", show->running_index,
               show->running_attempt, (double)show->running_ms / 1000, show->running_worker);
    if (show->bad_records > 0)
        printf("bad        %" PRIu64 " records of its log do not count\n", show->bad_records);
}

static void print_text(void *arg, const fanmap_show_t *show)
{
    const fanmap_job_info_t *job = &show->summary;
    char when[TIME_TEXT_MAX];
    (void)arg;
    print_time(when, sizeof when, job->submitted_ms);
    printf("job        %s: task %s on queue %s, submitted %s\n", job->job, job->task, job->queue, when);
    printf("state      %s%s%s\n", view_state_word(job->state), job->reason[0] ? ": " : "", job->reason);
    if (job->concurrency > 0)
        printf("limit      %" PRIu64 " attempts at once\n", job->concurrency);
    else
        puts("limit      none");
    print_policy(show);
    print_counts(show);
    if (show->workers_n >= 0)
        printf("workers    %d serve its task\n", show->workers_n);
    if (show->tokens_held >= 0)
        printf("tokens     %" PRId64 " held\n", show->tokens_held);
    if (show->lag >= 0)
        printf("lag        %" PRId64 " records of its task wait or run\n", show->lag);
    for (size_t i = 0; i < show->waits_n; i++)
        printf("%s %s\n", i == 0 ? "waits     " : "          ", show->waits[i]);
}

int run_show(arguments_t *arguments)
{
    fanmap_t *f;
    fanmap_error_t err;
    if (arguments->positionals_n < 1) {
        complain("which job? fanmap show JOB");
        return EXIT_USAGE;
    }
    int status = admin_open(arguments, &f);
    if (status != EXIT_ALL_WELL)
        return status;
    int r = fanmap_show(f, arguments->positionals[0], ADMIN_TIMEOUT_MS,
                        is_switch_set(arguments, "json") ? print_json : print_text, NULL, &err);
    return admin_close(f, r, &err);
}
