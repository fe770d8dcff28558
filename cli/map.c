/* fanmap map, submit and gather: from the command line to a job, and the session that runs it. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/session.h"

static const char COMMAND_TASK[] = "command"; /* the task that -- CMD ARG... names */

static void on_log(void *arg, fanmap_log_level_t level, const char *line)
{
    const arguments_t *arguments = arg;
    if (level <= FANMAP_LOG_WARNING ? !is_switch_set(arguments, "quiet") : is_switch_set(arguments, "verbose"))
        complain("%s", line);
}

static int set(arguments_t *arguments, const char *key, const char *value)
{
    fanmap_error_t err;
    if (fanmap_options_set(arguments->options, key, value, &err) == FANMAP_OK)
        return EXIT_ALL_WELL;
    complain("%s", err.message);
    return EXIT_USAGE;
}

/* fanmap map --local < commands: each line is a command. */
static bool runs_lines(const arguments_t *arguments)
{
    static const char *const others[] = {"tasks", "exec", "serve", "retry-failed"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (option_text(arguments, others[i]))
            return false;
    return is_switch_set(arguments, "local") && strcmp(arguments->command->name, "map") == 0 &&
           arguments->positionals_n == 0 && !arguments_have_command(arguments);
}

/* What the task is called; a command line after -- becomes a task of its own. */
static int choose_task(arguments_t *arguments, const char **ret_task)
{
    if (runs_lines(arguments) && set(arguments, "sh", LINE_COMMAND) != EXIT_ALL_WELL)
        return EXIT_USAGE;
    bool is_local = is_switch_set(arguments, "local"), has_command = arguments_have_command(arguments);
    if (has_command && !is_local) {
        complain(
            "-- CMD and --sh run embedded only: give --local, or serve it with fanmap worker --exec NAME='CMD ARG...'");
        return EXIT_USAGE;
    }
    if (arguments->argv_n > 0 && option_text(arguments, "sh")) {
        complain("give -- CMD or --sh TEXT, not both");
        return EXIT_USAGE;
    }
    if (option_text(arguments, "retry-failed") && !has_command && arguments->positionals_n == 0) {
        *ret_task = NULL;
        return EXIT_ALL_WELL;
    }
    if (has_command == (arguments->positionals_n > 0)) {
        complain(has_command ? "give a TASK or -- CMD, not both" : "which task? fanmap %s TASK",
                 arguments->command->name);
        return EXIT_USAGE;
    }
    if (is_local && strcmp(arguments->command->name, "submit") == 0) {
        complain("an embedded job ends with its program: submit wants a fleet (map --local does not)");
        return EXIT_USAGE;
    }
    for (int i = 0; i < arguments->argv_n; i++) {
        int status = set(arguments, "argv", arguments->argv[i]);
        if (status != EXIT_ALL_WELL)
            return status;
    }
    *ret_task = has_command ? COMMAND_TASK : arguments->positionals[0];
    return EXIT_ALL_WELL;
}

/* What the library must know of the inputs. */
static int describe_input(arguments_t *arguments, const zip_t *input)
{
    char n[16];
    if (input->n > 1) {
        snprintf(n, sizeof n, "%d", input->n);
        int status = set(arguments, "sequences", n);
        if (status != EXIT_ALL_WELL)
            return status;
    }
    return set(arguments, "source", input->source);
}

static int begin(session_t *s, arguments_t *arguments, const char *task)
{
    fanmap_error_t err;
    if (fanmap_open(arguments->options, on_log, arguments, &s->f, &err) != FANMAP_OK)
        return complain_error(&err);
    session_catch_signals(s->f);
    if (fanmap_map(s->f, task, arguments->options, &s->job, &err) == FANMAP_OK)
        return EXIT_ALL_WELL;
    session_release_signals();
    fanmap_close(s->f);
    return complain_error(&err);
}

/* --retry-failed reads its items from Kafka. */
static int refuse_input(const arguments_t *arguments)
{
    if (arguments->sequences_n == 0 && !fanmap_options_get(arguments->options, "input", 0))
        return EXIT_ALL_WELL;
    complain("--retry-failed takes its items from the job that it names: no -i, no :::");
    return EXIT_USAGE;
}

/* What attempts write stands above the line of progress. */
static int catch_task_log(session_t *s, arguments_t *arguments)
{
    char fd[16];
    bool has_line = s->progress.is_on && s->progress.is_terminal && is_switch_set(arguments, "local");
    if (!has_line || !task_log_open(&s->task_log))
        return EXIT_ALL_WELL;
    snprintf(fd, sizeof fd, "%d", s->task_log.write_fd);
    return set(arguments, "task-log-fd", fd);
}

static int prepare(session_t *s, arguments_t *arguments, zip_t *input, const char **ret_task)
{
    int status = choose_task(arguments, ret_task);
    const char *format = arguments_have_command(arguments) ? "lines" : "jsonl";
    bool is_retry = option_text(arguments, "retry-failed") != NULL;
    if (status == EXIT_ALL_WELL)
        status = is_retry ? refuse_input(arguments) : zip_open(input, arguments, format);
    if (status == EXIT_ALL_WELL && !is_retry)
        status = describe_input(arguments, input);
    if (status == EXIT_ALL_WELL && !option_text(arguments, "task-log"))
        status = set(arguments, "task-log", "true");
    s->task_log = (task_log_t){-1, -1};
    s->arguments = arguments;
    s->input = is_retry ? NULL : input;
    int opened = output_open(&s->output, arguments, format);
    progress_open(&s->progress, arguments);
    if (status == EXIT_ALL_WELL)
        status = catch_task_log(s, arguments);
    if (status == EXIT_ALL_WELL && output_is_as_printed(&s->output) && !option_text(arguments, "command-output"))
        status = set(arguments, "command-output", "raw");
    return status == EXIT_ALL_WELL ? opened : status;
}

/* There is a job to gather: also of an input that broke off, or one that was stopped meanwhile or before. */
static bool is_submitted(const session_t *s)
{
    return s->job_done &&
           (s->result >= 0 || s->result == FANMAP_ESTOPPED || (s->input_failed && s->result == FANMAP_EIO));
}

static int publish(arguments_t *arguments)
{
    session_t s = {0};
    zip_t input = {.n = 0};
    const char *task;
    int status = prepare(&s, arguments, &input, &task);
    if (status == EXIT_ALL_WELL)
        status = begin(&s, arguments, task);
    if (status == EXIT_ALL_WELL) {
        char id[128];
        snprintf(id, sizeof id, "%s", fanmap_job_id(s.job));
        status = session_run(&s);
        if (is_submitted(&s) && (puts(id) < 0 || fflush(stdout) != 0) && status == EXIT_ALL_WELL)
            status = EXIT_IO;
    }
    zip_close(&input);
    (void)output_close(&s.output);
    return status;
}

int run_map(arguments_t *arguments)
{
    if (is_switch_set(arguments, "detach"))
        return publish(arguments);
    session_t s = {0};
    zip_t input = {.n = 0};
    const char *task;
    int status = prepare(&s, arguments, &input, &task);
    if (status == EXIT_ALL_WELL)
        status = set(arguments, "value-format", output_value_format(&s.output));
    if (status == EXIT_ALL_WELL)
        status = begin(&s, arguments, task);
    if (status == EXIT_ALL_WELL)
        status = session_run(&s);
    zip_close(&input);
    (void)output_close(&s.output);
    return status;
}

int run_submit(arguments_t *arguments)
{
    int status = set(arguments, "detach", "true");
    return status == EXIT_ALL_WELL ? publish(arguments) : status;
}

int run_gather(arguments_t *arguments)
{
    session_t s = {.arguments = arguments, .is_gather = true, .task_log = {-1, -1}};
    fanmap_error_t err;
    if (arguments->positionals_n < 1) {
        complain("which job? fanmap gather JOB");
        return EXIT_USAGE;
    }
    int status = output_open(&s.output, arguments, "jsonl");
    progress_open(&s.progress, arguments);
    if (status == EXIT_ALL_WELL)
        status = set(arguments, "value-format", output_value_format(&s.output));
    if (status != EXIT_ALL_WELL)
        return status;
    if (fanmap_open(arguments->options, on_log, arguments, &s.f, &err) != FANMAP_OK)
        return complain_error(&err);
    session_catch_signals(s.f);
    if (fanmap_gather(s.f, arguments->positionals[0], arguments->options, &s.job, &err) != FANMAP_OK) {
        session_release_signals();
        fanmap_close(s.f);
        return complain_error(&err);
    }
    return session_run(&s);
}
