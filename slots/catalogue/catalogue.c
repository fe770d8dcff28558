/* Tasks that are commands. A command line is split into words, a container's template is put around a task's words, and
 * everything that cannot work is refused with the task's name. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/buf.h"
#include "base/text.h"
#include "slots/catalogue/catalogue.h"
#include "slots/catalogue/program.h"
#include "slots/catalogue/shell_text.h"
#include "slots/shared/placeholder.h"

int slots_catalogue_add_task(slots_catalogue_t *c, const char *name, slots_task_t **ret, fanmap_error_t *err)
{
    char safe[128];
    text_escape_to(safe, sizeof safe, name, strlen(name));
    if (!task_name_valid(name))
        return err_set(err, FANMAP_EUSAGE,
                       "'%s' cannot be the name of a task: 1 to %d letters, digits, '.', '_' or '-'", safe,
                       TASK_NAME_MAX);
    for (size_t i = 0; i < c->n; i++)
        if (strcmp(c->tasks[i].name, name) == 0)
            return err_set(err, FANMAP_EUSAGE, "task '%s' is named twice", safe);
    if (!array_extend(c->tasks, c->n, c->n + 1))
        return err_set(err, FANMAP_ENOMEM, "no memory for task '%s'", safe);
    *ret = &c->tasks[c->n++];
    (*ret)->engine = TASK_SO;
    snprintf((*ret)->name, sizeof(*ret)->name, "%s", name);
    return FANMAP_OK;
}

/* ---- commands ---- */

static bool has_item(const char *word, const char *replace)
{
    placeholder_t p;
    while (*word && !placeholder_read(word, replace, &p))
        word++;
    return *word != '\0';
}

/* In a shell's text an item would be code. */
static int check_words(task_engine_t engine, const char *name, const char *const *argv, const char *replace,
                       fanmap_error_t *err)
{
    uint32_t script_at = program_shell_text_at(argv);
    if (!argv[0] || !*argv[0])
        return err_set(err, FANMAP_EUSAGE, "the command of task '%.63s' is empty", name);
    if (has_item(argv[0], replace))
        return err_set(err, FANMAP_EUSAGE, "task '%.63s': an item cannot name the program to run", name);
    if (engine == TASK_EXEC && script_at > 0 && shell_text_has_placeholder(argv[script_at], replace))
        return err_set(
            err, FANMAP_EUSAGE,
            "task '%.63s': an item would be run as part of the text of %.20s -c: write --sh 'TEXT' (sh = 'TEXT' in a "
            "task file), which makes it a parameter, or put it behind: sh -c 'echo \"$1\"' sh {}",
            name, argv[0]);
    return FANMAP_OK;
}

int slots_catalogue_add_words(slots_catalogue_t *c, task_engine_t engine, const char *name, const char *const *argv,
                              const char *replace, fanmap_error_t *err)
{
    slots_task_t *task;
    int code = check_words(engine, name, argv, replace, err);
    if (code != FANMAP_OK)
        return code;
    char **words = words_copy(argv), *own_replace = replace ? strdup(replace) : NULL;
    if (!words || (replace && !own_replace))
        code = err_set(err, FANMAP_ENOMEM, "no memory for task '%.63s'", name);
    if (code == FANMAP_OK)
        code = slots_catalogue_add_task(c, name, &task, err);
    if (code != FANMAP_OK) {
        words_free(words);
        free(own_replace);
        return code;
    }
    task->engine = engine;
    task->argv = (const char *const *)words;
    task->terms.replace = own_replace;
    task->terms.script_at = program_shell_text_at(argv);
    return FANMAP_OK;
}

int slots_catalogue_add_shell(slots_catalogue_t *c, const char *name, const char *text, const char *replace,
                              fanmap_error_t *err)
{
    char **words;
    int code = shell_text_words(text, replace, &words, err);
    if (code != FANMAP_OK)
        return err_wrap(err, "the text of task '%.63s'", name);
    code = slots_catalogue_add_words(c, TASK_EXEC, name, (const char *const *)words, replace, err);
    words_free(words);
    return code;
}

/* Copies one word to `to` without its quotes and returns what is behind it; NULL: a quote is open at the end. */
static const char *parse_word(const char *at, buf_t *to)
{
    char quote = '\0';
    for (; *at && (quote || !isspace((unsigned char)*at)); at++) {
        if (quote && *at == quote)
            quote = '\0';
        else if (!quote && (*at == '\'' || *at == '"'))
            quote = *at;
        else if (*at == '\\' && quote != '\'' && at[1])
            buf_append(to, ++at, 1);
        else
            buf_append(to, at, 1);
    }
    buf_append(to, "", 1);
    return quote ? NULL : at;
}

int slots_split_words(const char *text, char ***ret_words, fanmap_error_t *err)
{
    buf_t joined = {0};
    size_t n = 0;
    const char *at = text;
    while (at && *(at += strspn(at, " \t\n\r\v\f"))) {
        at = parse_word(at, &joined);
        n++;
    }
    char **words = calloc(n + 1, sizeof *words);
    const char *word = (const char *)joined.data;
    bool ok = words && !joined.failed;
    for (size_t i = 0; i < n && ok; i++, word += strlen(word) + 1)
        ok = (words[i] = strdup(word)) != NULL;
    buf_free(&joined);
    if (at && ok) {
        *ret_words = words;
        return FANMAP_OK;
    }
    words_free(words);
    return at ? err_set(err, FANMAP_ENOMEM, "no memory for a command")
              : err_set(err, FANMAP_EUSAGE, "it ends inside quotes");
}

int slots_catalogue_add_command(slots_catalogue_t *c, task_engine_t engine, const char *name, const char *command,
                                const char *replace, fanmap_error_t *err)
{
    char **words;
    int code = slots_split_words(command, &words, err);
    if (code != FANMAP_OK)
        return err_wrap(err, "the command of task '%.63s'", name);
    code = slots_catalogue_add_words(c, engine, name, (const char *const *)words, replace, err);
    words_free(words);
    return code;
}

/* ---- containers ---- */

/* Runtimes that hand the container to a daemon: killing the client ends nothing. */
static bool is_remote(const char *program)
{
    static const char *const names[] = {"docker", "nerdctl", "ctr", "podman-remote", "lxc", NULL};
    return program_is_one_of(program, names);
}

static bool has_text(const char *const *words, const char *text)
{
    for (size_t i = 0; words && words[i]; i++)
        if (strstr(words[i], text))
            return true;
    return false;
}

static int check_template(const slots_task_t *task, const char *const *template, size_t *ret_at, fanmap_error_t *err)
{
    size_t found = 0;
    const char *const *kill_argv = (const char *const *)task->terms.kill_argv;
    for (size_t i = 0; template[i]; i++)
        if (strcmp(template[i], "{argv}") == 0) {
            *ret_at = i;
            found++;
        }
    if (task->engine != TASK_EXEC)
        return err_set(err, FANMAP_EUSAGE, "only a command can be put into containers");
    if (found != 1 || *ret_at == 0)
        return err_set(err, FANMAP_EUSAGE, "the runtime's command line needs the word {argv} once, behind its program");
    if (kill_argv && !has_text(kill_argv, "{container}"))
        return err_set(err, FANMAP_EUSAGE, "container-kill does not name {container}");
    if (is_remote(template[0]) && (!kill_argv || !has_text(template, "{container}")))
        return err_set(err, FANMAP_EUSAGE,
                       "%.60s runs containers that are no children of ours: name them (--name {container}) and say how "
                       "to end one (container-kill)",
                       template[0]);
    return FANMAP_OK;
}

int slots_catalogue_contain(slots_task_t *task, const char *const *template, fanmap_error_t *err)
{
    size_t at = 0, own_n = words_count(task->argv), n = words_count(template), to = 0;
    int code = check_template(task, template, &at, err);
    if (code != FANMAP_OK)
        return code;
    const char **joined = calloc(n + own_n + 1, sizeof *joined);
    for (size_t i = 0; joined && i < n; i++)
        if (i != at)
            joined[to++] = template[i];
        else
            for (size_t k = 0; k < own_n; k++)
                joined[to++] = task->argv[k];
    char **words = joined ? words_copy(joined) : NULL;
    free(joined);
    if (!words)
        return err_set(err, FANMAP_ENOMEM, "no memory for a command line");
    words_free((char **)(uintptr_t)task->argv);
    task->argv = (const char *const *)words;
    task->terms.own_from = (uint32_t)at;
    task->terms.script_at += task->terms.script_at > 0 ? (uint32_t)at : 0;
    return FANMAP_OK;
}

void slots_catalogue_free(slots_catalogue_t *c)
{
    for (size_t i = 0; i < c->n; i++)
        slots_task_free(&c->tasks[i]);
    free(c->tasks);
    *c = (slots_catalogue_t){0};
}
