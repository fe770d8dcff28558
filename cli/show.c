/* fanmap show: a job, its counts, and what holds it up, as lines or as one JSON object. */
#include <inttypes.h>

#include "base/text.h"
#include "cli/admin.h"
#include "cli/commands.h"

DEFINE_PRINT_JSON(print_json, fanmap_show_t, view_show)

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

enum { FAILURES_SHOWN = 10 };

static void print_failures(const fanmap_show_t *show)
{
    for (size_t i = 0; i < show->failures_n && i < FAILURES_SHOWN; i++) {
        const fanmap_failures_t *failures = &show->failures[i];
        const char *type = strcmp(failures->type, fanmap_kind_name(failures->kind)) == 0 ? "" : failures->type;
        char text[1024];
        text_escape_to(text, sizeof text, failures->message, strlen(failures->message));
        printf("%s %" PRIu64 " x %s%s%s%s%s, from item %" PRIu64 " on (--retry-group %s)\n",
               i == 0 ? "failures  " : "          ", failures->count, fanmap_kind_name(failures->kind),
               type[0] ? " " : "", type, text[0] ? ": " : "", text, failures->first, failures->group);
    }
    if (show->failures_n > FAILURES_SHOWN || show->failures_more > 0)
        puts("           and more, in further groups: --json has them");
}

/* Of a partition whose first unfinished record is old that record is what holds it up. */
static void print_lane(const fanmap_lane_info_t *lane, bool is_first)
{
    printf("%s partition %" PRIu32 ": %" PRId64 " behind", is_first ? "lanes     " : "          ", lane->partition,
           lane->lag);
    if (lane->head >= 0)
        printf(", first offset %" PRId64, lane->head);
    if (lane->head_age_ms >= 0)
        printf(", written %.1f s ago", (double)lane->head_age_ms / 1000);
    if (lane->ungathered > 0)
        printf("; %" PRId64 " records of its log are not gathered", lane->ungathered);
    putchar('\n');
}

static void print_stream(const fanmap_show_t *show)
{
    int64_t ungathered = 0;
    printf("topics     from %s, to %s, errors to %s\n", show->from, show->to[0] ? show->to : "(none)",
           show->errors_to[0] ? show->errors_to : "(none)");
    for (size_t i = 0; i < show->lanes_n; i++) {
        print_lane(&show->lanes[i], i == 0);
        ungathered += show->lanes[i].ungathered;
    }
    if (show->skipped > 0)
        printf("skipped    %" PRIu64 " records: its rules stepped over them\n", show->skipped);
    if (show->gatherers_n > 0)
        printf("gatherers  %d\n", show->gatherers_n);
    else if (show->gatherers_n == 0 && ungathered > 0)
        printf("gatherers  none: outcomes wait in %" PRId64 " records of its log, which grows (fanmap stream %s)\n",
               ungathered, show->summary.task);
    else if (show->gatherers_n == 0)
        printf("gatherers  none: nobody would write its outcomes (fanmap stream %s)\n", show->summary.task);
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
    if (show->from[0])
        print_stream(show);
    else
        print_counts(show);
    if (show->workers_n >= 0)
        printf("workers    %d serve its task\n", show->workers_n);
    if (show->tokens_held >= 0)
        printf("tokens     %" PRId64 " held\n", show->tokens_held);
    if (show->lag >= 0)
        printf("lag        %" PRId64 " records of its %s wait or run\n", show->lag, show->from[0] ? "source" : "task");
    for (size_t i = 0; i < show->waits_n; i++)
        printf("%s %s\n", i == 0 ? "waits     " : "          ", show->waits[i]);
    print_failures(show);
}

static int show_job(fanmap_t *f, arguments_t *arguments, fanmap_error_t *err)
{
    return fanmap_show(f, arguments->positionals[0], ADMIN_TIMEOUT_MS,
                       is_switch_set(arguments, "json") ? print_json : print_text, NULL, err);
}

int run_show(arguments_t *arguments)
{
    if (arguments->positionals_n < 1)
        return fail_with(EXIT_USAGE, "which job? fanmap show JOB");
    return admin_ask(arguments, show_job);
}
