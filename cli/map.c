/* fanmap map, submit and gather: from the command line to a job, and the session that runs it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/dry_run.h"
#include "cli/limits.h"
#include "cli/session.h"

static const char COMMAND_TASK[] = "command"; /* the task that -- CMD ARG... names */

static void on_log(void *arg, fanmap_log_level_t level, const char *line)
{
    const arguments_t *arguments = arg;
    if (level <= FANMAP_LOG_WARNING ? !is_switch_set(arguments, "quiet") : is_switch_set(arguments, "verbose"))
        complain("%s", line);
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
    if (runs_lines(arguments) && set_option(arguments, "sh", LINE_COMMAND) != EXIT_ALL_WELL)
        return EXIT_USAGE;
    bool is_local = is_switch_set(arguments, "local"), has_command = arguments_have_command(arguments);
    if (has_command && !is_local)
        return fail_with(
            EXIT_USAGE,
            "-- CMD and --sh run embedded only: give --local, or serve it with fanmap worker --exec NAME='CMD ARG...'");
    if (arguments->argv_n > 0 && option_text(arguments, "sh"))
        return fail_with(EXIT_USAGE, "give -- CMD or --sh TEXT, not both");
    bool runs_commands = has_command || option_text(arguments, "exec") || option_text(arguments, "serve");
    if (is_local && !runs_commands && (option_text(arguments, "nice") || option_text(arguments, "workdir")))
        return fail_with(
            EXIT_USAGE,
            "--nice and --workdir are for commands, and functions of --tasks run in a process of their own kind");
    if (option_text(arguments, "retry-failed") && !has_command && arguments->positionals_n == 0) {
        *ret_task = NULL;
        return EXIT_ALL_WELL;
    }
    if (has_command == (arguments->positionals_n > 0))
        return fail_with(EXIT_USAGE, has_command ? "give a TASK or -- CMD, not both" : "which task? fanmap %s TASK",
                         arguments->command->name);
    if (is_local && strcmp(arguments->command->name, "submit") == 0)
        return fail_with(EXIT_USAGE,
                         "an embedded job ends with its program: submit wants a fleet (map --local does not)");
    *ret_task = has_command ? COMMAND_TASK : arguments->positionals[0];
    return EXIT_ALL_WELL;
}

/* --retry-failed reads its items from Kafka. */
static int refuse_input(const arguments_t *arguments)
{
    bool has_input = arguments->sequences_n > 0 || fanmap_options_get(arguments->options, "input", 0);
    bool wants_items =
        option_text(arguments, "results") || option_text(arguments, "tagstring") || is_switch_set(arguments, "tag");
    if (has_input)
        complain("--retry-failed takes its items from the job that it names: no -i, no :::");
    else if (wants_items)
        complain("--retry-failed JOB has its items from the job, and they are not here: no --results, no --tag");
    return has_input || wants_items ? EXIT_USAGE : EXIT_ALL_WELL;
}

/* What the library must know of the inputs. */
static int describe_input(arguments_t *arguments, const items_t *input)
{
    char n[16];
    if (input->has_sequences) {
        snprintf(n, sizeof n, "%d", input->zip.n);
        int status = set_option(arguments, "sequences", n);
        if (status != EXIT_ALL_WELL)
            return status;
    }
    return set_option(arguments, "source", input->zip.source);
}

/* How the library hands values out, and writes them to a topic. */
static int set_formats(const output_t *output, arguments_t *arguments)
{
    const char *to_format = output_topic_format(output, arguments);
    int status = set_option(arguments, "value-format", output_value_format(output));
    return status == EXIT_ALL_WELL && to_format ? set_option(arguments, "to-format", to_format) : status;
}

static int set_command(arguments_t *arguments)
{
    int status = EXIT_ALL_WELL;
    for (int i = 0; i < arguments->argv_n && status == EXIT_ALL_WELL; i++)
        status = set_option(arguments, "argv", arguments->argv[i]);
    return status;
}

static bool is_line_command(const arguments_t *arguments)
{
    const char *text = option_text(arguments, "sh");
    return text && strcmp(text, LINE_COMMAND) == 0;
}

/* A job that runs other's items again has no inputs. */
static int open_input(session_t *s, arguments_t *arguments, items_t *input, const char *format)
{
    if (option_text(arguments, "retry-failed")) {
        int status = refuse_input(arguments);
        return status == EXIT_ALL_WELL ? set_command(arguments) : status;
    }
    s->input = input;
    int status = is_switch_set(arguments, "pipe") ? limits_of_blocks(arguments) : EXIT_ALL_WELL;
    if (status == EXIT_ALL_WELL)
        status = items_open(input, arguments, format);
    if (status == EXIT_ALL_WELL && input->is_array && is_line_command(arguments))
        status = fail_with(
            EXIT_USAGE,
            "a line is a command by itself here: for items of several parts give the command, -- CMD or --sh TEXT");
    if (status == EXIT_ALL_WELL && input->bundle.is_on)
        status = limits_of_bundles(arguments);
    if (status == EXIT_ALL_WELL)
        status = items_rewrite(input, arguments);
    if (status == EXIT_ALL_WELL)
        status = set_command(arguments);
    return status == EXIT_ALL_WELL ? describe_input(arguments, input) : status;
}

static int begin_session(session_t *s, arguments_t *arguments, const char *task)
{
    fanmap_error_t err;
    if (fanmap_open(arguments->options, on_log, arguments, &s->f, &err) != FANMAP_OK)
        return complain_error(&err);
    session_catch_signals(s->f);
    int r = s->is_gather ? fanmap_gather(s->f, arguments->positionals[0], arguments->options, &s->job, &err)
                         : fanmap_map(s->f, task, arguments->options, &s->job, &err);
    if (r == FANMAP_OK)
        return EXIT_ALL_WELL;
    session_release_signals();
    fanmap_close(s->f);
    return complain_error(&err);
}

/* What attempts write stands above the line of progress. */
static int catch_task_log(session_t *s, arguments_t *arguments)
{
    char fd[16];
    bool has_line = s->progress.is_on && s->progress.is_terminal && is_switch_set(arguments, "local");
    const char *copy = output_command_copy(&s->output);
    if (!has_line && !copy)
        return EXIT_ALL_WELL;
    if (!task_log_open(&s->task_log)) {
        complain("no pipe for what commands print: %s", strerror(errno));
        return copy ? EXIT_IO : EXIT_ALL_WELL;
    }
    if (copy) {
        output_listen(&s->output, &s->task_log);
        int status = set_option(arguments, "task-log", "true");
        if (status == EXIT_ALL_WELL)
            status = set_option(arguments, "command-copy", copy);
        if (status != EXIT_ALL_WELL)
            return status;
    }
    snprintf(fd, sizeof fd, "%d", s->task_log.write_fd);
    return set_option(arguments, "task-log-fd", fd);
}

static int prepare(session_t *s, arguments_t *arguments, items_t *input, const char **ret_task)
{
    int status = resume_open(&s->resume, arguments);
    if (status == EXIT_ALL_WELL)
        status = choose_task(arguments, ret_task);
    const char *format = arguments_have_command(arguments) ? "lines" : "jsonl";
    if (status == EXIT_ALL_WELL)
        status = open_input(s, arguments, input, format);
    if (status == EXIT_ALL_WELL && !option_text(arguments, "task-log"))
        status = set_option(arguments, "task-log", "true");
    s->task_log = (task_log_t){-1, -1, NULL};
    s->arguments = arguments;
    int opened = output_open(&s->output, arguments, format);
    s->output.results.names = (char **const *)&input->names;
    s->output.results.is_bundle = input->bundle.is_on;
    progress_open(&s->progress, arguments);
    if (status == EXIT_ALL_WELL && opened == EXIT_ALL_WELL)
        status = catch_task_log(s, arguments);
    if (status == EXIT_ALL_WELL && output_is_as_printed(&s->output) && !option_text(arguments, "command-output"))
        status = set_option(arguments, "command-output", "raw");
    return status == EXIT_ALL_WELL ? opened : status;
}

/* There is a job to gather: also of an input that broke off, or one that was stopped meanwhile or before. */
static bool is_submitted(const session_t *s)
{
    return s->job_done &&
           (s->result >= 0 || s->result == FANMAP_ESTOPPED || (s->input_failed && s->result == FANMAP_EIO));
}

/* What is made of outcomes, which nobody waits for here. */
static int refuse_outcomes(const arguments_t *arguments)
{
    static const char *const texts[] = {"joblog", "results", "tagstring"}, *const switches[] = {"tag", "resume",
                                                                                                "resume-failed"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const char *odd = option_text(arguments, texts[i])        ? texts[i]
                          : is_switch_set(arguments, switches[i]) ? switches[i]
                                                                  : NULL;
        if (odd)
            return fail_with(
                EXIT_USAGE,
                "--%s goes by outcomes, and a job that is left to the fleet has none here: map it, or gather it later",
                odd);
    }
    return EXIT_ALL_WELL;
}

static int submit(session_t *s, arguments_t *arguments, const char *task)
{
    char id[128];
    int status = begin_session(s, arguments, task);
    if (status != EXIT_ALL_WELL)
        return status;
    snprintf(id, sizeof id, "%s", fanmap_job_id(s->job));
    status = session_run(s);
    bool is_told = !is_submitted(s) || (puts(id) >= 0 && fflush(stdout) == 0);
    return status == EXIT_ALL_WELL && !is_told ? EXIT_IO : status;
}

static int map(session_t *s, arguments_t *arguments, const char *task)
{
    int status = set_formats(&s->output, arguments);
    if (status == EXIT_ALL_WELL)
        status = begin_session(s, arguments, task);
    return status == EXIT_ALL_WELL ? session_run(s) : status;
}

static int show_commands(session_t *s)
{
    return s->input ? dry_run(s)
                    : fail_with(EXIT_USAGE,
                                "--dry-run shows the commands of items, and --retry-failed JOB has those of a job");
}

int run_map(arguments_t *arguments)
{
    session_t s = {0};
    items_t input = {.taken = 0};
    const char *task = NULL;
    bool is_dry = is_switch_set(arguments, "dry-run"), is_submit = is_switch_set(arguments, "detach") && !is_dry;
    if (is_submit && refuse_outcomes(arguments) != EXIT_ALL_WELL)
        return EXIT_USAGE;
    int status = prepare(&s, arguments, &input, &task);
    if (status == EXIT_ALL_WELL)
        status = is_dry ? show_commands(&s) : is_submit ? submit(&s, arguments, task) : map(&s, arguments, task);
    items_close(&input);
    resume_close(&s.resume);
    (void)output_close(&s.output);
    return status;
}

int run_submit(arguments_t *arguments)
{
    int status = set_option(arguments, "detach", "true");
    return status == EXIT_ALL_WELL ? run_map(arguments) : status;
}

int run_gather(arguments_t *arguments)
{
    session_t s = {.arguments = arguments, .is_gather = true, .task_log = {-1, -1, NULL}};
    if (arguments->positionals_n < 1)
        return fail_with(EXIT_USAGE, "which job? fanmap gather JOB");
    int status = output_open(&s.output, arguments, "jsonl");
    progress_open(&s.progress, arguments);
    if (status == EXIT_ALL_WELL)
        status = set_formats(&s.output, arguments);
    if (status == EXIT_ALL_WELL)
        status = position_file_open(&s.position_file, arguments);
    if (status == EXIT_ALL_WELL)
        status = begin_session(&s, arguments, NULL);
    if (status == EXIT_ALL_WELL)
        status = session_run(&s);
    position_file_close(&s.position_file);
    return status;
}
