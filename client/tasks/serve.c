/* "tasks", "exec", "serve", "argv" and "container" into a catalogue, in that order. */
#include "client/tasks/serve.h"

#include <string.h>

#include "base/text.h"
#include "client/options/rules.h"
#include "client/tasks/job_limits.h"
#include "client/tasks/task_conf.h"
#include "slots/shared/task_user.h"

enum { ARGV_MAX = 1024, LOCAL_PLACES_MAX = 256 };

static bool is_task_file(const char *path)
{
    size_t len = strlen(path);
    return len > 5 && strcmp(path + len - 5, ".conf") == 0;
}

static int add_libraries(const fanmap_options_t *options, slots_catalogue_t *catalogue, fanmap_error_t *err)
{
    const char *path;
    int r = FANMAP_OK;
    for (size_t i = 0; r == FANMAP_OK && (path = options_nth(options, OPT_TASKS, i)); i++)
        r = is_task_file(path) ? task_conf_add(catalogue, path, err)
                               : slots_catalogue_add_library(catalogue, path, err);
    return r;
}

/* One value of "exec" or "serve". */
static int add_named(const char *option, task_engine_t engine, slots_catalogue_t *catalogue, const char *text,
                     const char *replace, fanmap_error_t *err)
{
    char name[TASK_NAME_MAX + 1];
    const char *equals = strchr(text, '=');
    size_t len = equals ? (size_t)(equals - text) : 0;
    if (len == 0 || len > TASK_NAME_MAX)
        return err_set(err, FANMAP_EUSAGE, "--%s \"%s\": want NAME='CMD ARG...'", option, text);
    memcpy(name, text, len);
    name[len] = '\0';
    if (!task_name_valid(name))
        return err_set(err, FANMAP_EUSAGE, "--%s: \"%s\" is not a task name", option, name);
    return slots_catalogue_add_command(catalogue, engine, name, equals + 1, replace, err);
}

static int add_all_named(const fanmap_options_t *options, const char *option, task_engine_t engine,
                         slots_catalogue_t *catalogue, fanmap_error_t *err)
{
    const char *text;
    int r = FANMAP_OK;
    for (size_t i = 0; r == FANMAP_OK && (text = fanmap_options_get(options, option, i)); i++)
        r = add_named(option, engine, catalogue, text, options_text(options, OPT_REPLACE), err);
    return r;
}

static int add_argv(const fanmap_options_t *options, slots_catalogue_t *catalogue, fanmap_error_t *err)
{
    const char *argv[ARGV_MAX + 1];
    size_t n = 0;
    while (n < ARGV_MAX && (argv[n] = options_nth(options, OPT_ARGV, n)))
        n++;
    if (n == 0)
        return FANMAP_OK;
    if (options_nth(options, OPT_ARGV, n))
        return err_set(err, FANMAP_EUSAGE, "a command of more than %d words", ARGV_MAX);
    argv[n] = NULL;
    return slots_catalogue_add_words(catalogue, TASK_EXEC, "command", argv, options_text(options, OPT_REPLACE), err);
}

static int add_shell(const fanmap_options_t *options, slots_catalogue_t *catalogue, fanmap_error_t *err)
{
    const char *text = options_text(options, OPT_SH);
    return text ? slots_catalogue_add_shell(catalogue, "command", text, options_text(options, OPT_REPLACE), err)
                : FANMAP_OK;
}

/* --container NAME='RUNTIME ARG... {argv}': for a command that was named by then. */
static int add_container(slots_catalogue_t *catalogue, const char *text, fanmap_error_t *err)
{
    const char *equals = strchr(text, '=');
    size_t len = equals ? (size_t)(equals - text) : 0;
    slots_task_t *task = NULL;
    for (size_t i = 0; i < catalogue->n; i++)
        if (text_is(text, len, catalogue->tasks[i].name))
            task = &catalogue->tasks[i];
    if (!task)
        return err_set(err, FANMAP_EUSAGE,
                       "--container \"%s\": want NAME='RUNTIME ARG... {argv}', of a task named here", text);
    char **words;
    int r = slots_split_words(equals + 1, &words, err);
    if (r == FANMAP_OK) {
        r = slots_catalogue_contain(task, (const char *const *)words, err);
        words_free(words);
    }
    return r == FANMAP_OK ? r : err_wrap(err, "--container %.63s", task->name);
}

static int contain_all(const fanmap_options_t *options, slots_catalogue_t *catalogue, fanmap_error_t *err)
{
    const char *text;
    int r = FANMAP_OK;
    for (size_t i = 0; r == FANMAP_OK && (text = options_nth(options, OPT_CONTAINER, i)); i++)
        r = add_container(catalogue, text, err);
    return r;
}

/* "raw", "command-output", "nice" and "workdir", for the commands of command lines; a task file says it of each task. */
static int set_terms(const fanmap_options_t *options, slots_catalogue_t *catalogue, size_t from, fanmap_error_t *err)
{
    const char *asked = options_text(options, OPT_COMMAND_OUTPUT), *output = asked ? asked : "text";
    const char *copy = options_text(options, OPT_COMMAND_COPY);
    const char *workdir = options_text(options, OPT_WORKDIR);
    bool is_raw = options_switch(options, OPT_RAW);
    for (size_t i = from; i < catalogue->n; i++) {
        terms_t *terms = &catalogue->tasks[i].terms;
        terms->raw_input = is_raw;
        terms->output = strcmp(output, "json") == 0            ? STDOUT_JSON
                        : is_raw || strcmp(output, "raw") == 0 ? STDOUT_RAW
                                                               : STDOUT_TEXT;
        terms->copy = strcmp(copy, "instead") == 0  ? COPY_INSTEAD
                      : strcmp(copy, "beside") == 0 ? COPY_BESIDE
                                                    : COPY_NOWHERE;
        terms->nice = (int32_t)options_count(options, OPT_NICE);
        terms->workdir = workdir ? strdup(workdir) : NULL;
        if (workdir && !terms->workdir)
            return err_set(err, FANMAP_ENOMEM, "out of memory");
    }
    return FANMAP_OK;
}

/* Wrong ones are named before anything is started. */
static int find_task_user(const fanmap_options_t *options, slots_catalogue_t *catalogue, fanmap_error_t *err)
{
    task_user_t user;
    catalogue->new_privileges = options_switch(options, OPT_NEW_PRIVILEGES);
    catalogue->task_user = options_text(options, OPT_TASK_USER);
    if (!catalogue->task_user || task_user_find(catalogue->task_user, &user, err) == FANMAP_OK)
        return FANMAP_OK;
    return err_wrap(err, "--task-user");
}

int serve_catalogue(const fanmap_options_t *options, slots_catalogue_t *catalogue, fanmap_error_t *err)
{
    int r = find_task_user(options, catalogue, err);
    if (r == FANMAP_OK)
        r = add_libraries(options, catalogue, err);
    size_t files_n = catalogue->n;
    if (r == FANMAP_OK)
        r = add_all_named(options, "exec", TASK_EXEC, catalogue, err);
    if (r == FANMAP_OK)
        r = add_all_named(options, "serve", TASK_SERVE, catalogue, err);
    if (r == FANMAP_OK)
        r = add_argv(options, catalogue, err);
    if (r == FANMAP_OK)
        r = add_shell(options, catalogue, err);
    if (r == FANMAP_OK)
        r = set_terms(options, catalogue, files_n, err);
    if (r == FANMAP_OK)
        r = contain_all(options, catalogue, err);
    job_limits_default(options, catalogue);
    if (r == FANMAP_OK && catalogue->n == 0)
        r = err_set(
            err, FANMAP_EUSAGE,
            "nothing to serve: give --tasks F.so or F.conf, --exec NAME='CMD ARG...' or --serve NAME='CMD ARG...'");
    return r;
}

static uint32_t slots_n(const fanmap_options_t *options)
{
    uint64_t asked = options_count(options, OPT_SLOTS);
    return asked ? (uint32_t)asked : cpus_online();
}

uint32_t serve_local_places(const fanmap_options_t *options)
{
    bool is_relative;
    uint64_t limit = options_limit(options, OPT_CONCURRENCY, &is_relative);
    if (options_count(options, OPT_SLOTS) || !options_is_set(options, OPT_CONCURRENCY))
        return slots_n(options);
    if (limit == 0 || limit > LOCAL_PLACES_MAX)
        return LOCAL_PLACES_MAX;
    return limit > cpus_online() ? (uint32_t)limit : cpus_online();
}

/* What jobs may ask for: as much as the table allows, unless the operator says less. */
static uint32_t allowed(const fanmap_options_t *options, struct option_SIZE option)
{
    return (uint32_t)(options_is_set(options, option) ? options_bytes(options, option)
                                                      : option_rule((size_t)option.row)->max);
}

void serve_config(const fanmap_options_t *options, const slots_catalogue_t *catalogue, worker_shell_config_t *ret)
{
    int log_fd = (int)options_count(options, OPT_TASK_LOG_FD);
    *ret = (worker_shell_config_t){.name_space = options_text(options, OPT_NAMESPACE),
                                   .queue = options_text(options, OPT_QUEUE),
                                   .catalogue = catalogue,
                                   .slots_n = slots_n(options),
                                   .budget_bytes = options_bytes(options, OPT_BUDGET),
                                   .drain_ms = (uint32_t)options_ms(options, OPT_DRAIN),
                                   .start_timeout_ms = (uint32_t)options_ms(options, OPT_START_TIMEOUT),
                                   .session_ms = (uint32_t)options_ms(options, OPT_SESSION_TIMEOUT),
                                   .partitions = (uint32_t)options_count(options, OPT_PARTITIONS),
                                   .retention_ms = (int64_t)options_ms(options, OPT_RETENTION),
                                   .create_topics = options_switch(options, OPT_CREATE_TOPICS),
                                   .record_bytes_max = options_record_bytes_max(options),
                                   .item_bytes_max = allowed(options, OPT_ITEM_MAX),
                                   .value_bytes_max = allowed(options, OPT_VALUE_MAX),
                                   .task_log_fd = options_switch(options, OPT_TASK_LOG) ? log_fd : -1};
}
