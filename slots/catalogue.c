#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/text.h"
#include "slots/shared/proc.h"
#include "slots/slots.h"

enum { LIST_BYTES_MAX = 1 << 20, LIST_WAIT_MS = 10000 };

static int add_task(slots_catalogue_t *c, const char *name, slots_task_t **ret, fanmap_error_t *err)
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
    slots_task_t *more = realloc(c->tasks, (c->n + 1) * sizeof *more);
    if (!more)
        return err_set(err, FANMAP_ENOMEM, "no memory for task '%s'", safe);
    c->tasks = more;
    *ret = &c->tasks[c->n++];
    **ret = (slots_task_t){.engine = TASK_SO};
    snprintf((*ret)->name, sizeof(*ret)->name, "%s", name);
    return FANMAP_OK;
}

/* ---- libraries ---- */

static int start_list(const char *path, int *ret_fd, pid_t *ret_pid, fanmap_error_t *err)
{
    char program[PATH_MAX + 32], libexec[PATH_MAX];
    const char *argv[] = {"fanmap-host", "--list", path, NULL};
    int ends[2];
    if (!proc_find_libexec("fanmap-host", libexec, sizeof libexec))
        return err_set(err, FANMAP_EUSAGE, "the program fanmap-host is missing: name its folder in FANMAP_LIBEXEC");
    snprintf(program, sizeof program, "%s/fanmap-host", libexec);
    char **env = proc_clean_env();
    if (!env || pipe2(ends, O_CLOEXEC) != 0) {
        free(env);
        return err_set_retry(err, FANMAP_EIO, "no pipe: %s", strerror(errno));
    }
    proc_program_t p = {program, (char *const *)(uintptr_t)argv, env, &ends[1], 1, -1, true};
    int error = proc_spawn(&p, ret_pid);
    free(env);
    close(ends[1]);
    if (error) {
        close(ends[0]);
        return err_set_retry(err, FANMAP_EIO, "cannot start %s: %s", program, strerror(error));
    }
    *ret_fd = ends[0];
    return FANMAP_OK;
}

/* Reads to the line "." or the end. False: neither came in time. */
static bool read_list(int fd, buf_t *text)
{
    int64_t end_ms = proc_now_ms() + LIST_WAIT_MS;
    while (text->len < LIST_BYTES_MAX) {
        int64_t left_ms = end_ms - proc_now_ms();
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (left_ms <= 0 || poll(&p, 1, (int)left_ms) == 0)
            return false;
        void *room = buf_reserve(text, 4096);
        ssize_t n = room ? read(fd, room, 4096) : 0;
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return true;
        text->len += (size_t)n;
        if (text->len >= 2 && memcmp(text->data + text->len - 2, ".\n", 2) == 0)
            return true;
    }
    return false;
}

/* One task a line; "!REASON" instead when the library is no good; "." at the end. */
static int take_list(slots_catalogue_t *c, const char *path, char *text, bool *ret_ended, fanmap_error_t *err)
{
    char *save = NULL, safe[400];
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        slots_task_t *task;
        *ret_ended = strcmp(line, ".") == 0;
        if (*ret_ended)
            break;
        if (*line == '!')
            return err_set(err, FANMAP_EUSAGE, "%s", text_escape_to(safe, sizeof safe, line + 1, strlen(line + 1)));
        int code = add_task(c, line, &task, err);
        if (code != FANMAP_OK)
            return code;
        task->library = strdup(path);
        if (!task->library)
            return err_set(err, FANMAP_ENOMEM, "no memory");
    }
    return FANMAP_OK;
}

static int list_library(slots_catalogue_t *c, const char *path, fanmap_error_t *err)
{
    buf_t text = {0};
    int fd = -1, status = 0;
    pid_t pid = -1;
    bool has_ended = false;
    int code = start_list(path, &fd, &pid, err);
    if (code != FANMAP_OK)
        return code;
    bool in_time = read_list(fd, &text);
    kill(pid, SIGKILL); /* it has said what it had to say; ours, and not reaped */
    close(fd);
    waitpid(pid, &status, 0);
    buf_append(&text, "", 1);
    if (!in_time || text.failed)
        code = err_set(err, FANMAP_EUSAGE, "listing its tasks took more than %d s", LIST_WAIT_MS / 1000);
    else
        code = take_list(c, path, (char *)text.data, &has_ended, err);
    if (code == FANMAP_OK && !has_ended)
        code = err_set(err, FANMAP_EUSAGE, "it ended the process that loaded it (signal %d)",
                       WIFSIGNALED(status) ? WTERMSIG(status) : 0);
    buf_free(&text);
    return code;
}

int slots_catalogue_add_library(slots_catalogue_t *c, const char *path, fanmap_error_t *err)
{
    char whole[PATH_MAX], safe[300];
    size_t before = c->n;
    text_escape_to(safe, sizeof safe, path, strlen(path));
    if (!realpath(path, whole) || access(whole, R_OK) != 0)
        return err_set(err, FANMAP_EUSAGE, "task library %s: %s", safe, strerror(errno));
    int code = list_library(c, whole, err);
    if (code == FANMAP_OK && c->n == before)
        code = err_set(err, FANMAP_EUSAGE, "its task table is empty");
    if (code == FANMAP_OK)
        return code;
    while (c->n > before)
        free((void *)(uintptr_t)c->tasks[--c->n].library);
    return err_wrap(err, "task library %s", safe);
}

/* ---- commands ---- */

static char **copy_words(const char *const *words, size_t n)
{
    char **copy = calloc(n + 1, sizeof *copy);
    for (size_t i = 0; copy && i < n; i++)
        copy[i] = strdup(words[i]);
    return copy;
}

static void free_words(char **words)
{
    for (size_t i = 0; words && words[i]; i++)
        free(words[i]);
    free(words);
}

int slots_catalogue_add_argv(slots_catalogue_t *c, const char *name, const char *const *argv, fanmap_error_t *err)
{
    slots_task_t *task;
    size_t n = 0;
    while (argv[n])
        n++;
    if (n == 0 || !*argv[0])
        return err_set(err, FANMAP_EUSAGE, "the command of task '%.63s' is empty", name);
    if (strchr(argv[0], '{') && strchr(argv[0], '}'))
        return err_set(err, FANMAP_EUSAGE, "task '%.63s': an item cannot name the program to run", name);
    char **words = copy_words(argv, n);
    if (!words || !words[n - 1]) {
        free_words(words);
        return err_set(err, FANMAP_ENOMEM, "no memory for task '%.63s'", name);
    }
    int code = add_task(c, name, &task, err);
    if (code != FANMAP_OK) {
        free_words(words);
        return code;
    }
    task->engine = TASK_EXEC;
    task->argv = (const char *const *)words;
    return FANMAP_OK;
}

/* Copies one word to `to` without its quotes and returns what is behind it; NULL: a quote is open at the end. */
static const char *take_word(const char *at, buf_t *to)
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

int slots_catalogue_add_command(slots_catalogue_t *c, const char *name, const char *command, fanmap_error_t *err)
{
    buf_t text = {0};
    size_t n = 0;
    const char *at = command;
    while (at && *(at += strspn(at, " \t\n\r\v\f"))) {
        at = take_word(at, &text);
        n++;
    }
    const char **argv = calloc(n + 1, sizeof *argv);
    int code = FANMAP_OK;
    if (!at)
        code = err_set(err, FANMAP_EUSAGE, "the command of task '%.63s' ends inside quotes", name);
    else if (!argv || text.failed)
        code = err_set(err, FANMAP_ENOMEM, "no memory for task '%.63s'", name);
    const char *word = (const char *)text.data;
    for (size_t i = 0; i < n && code == FANMAP_OK; i++, word += strlen(word) + 1)
        argv[i] = word;
    if (code == FANMAP_OK)
        code = slots_catalogue_add_argv(c, name, argv, err);
    free(argv);
    buf_free(&text);
    return code;
}

int slots_catalogue_add_served(slots_catalogue_t *c, const char *name, const char *command, fanmap_error_t *err)
{
    int code = slots_catalogue_add_command(c, name, command, err);
    if (code == FANMAP_OK)
        c->tasks[c->n - 1].engine = TASK_SERVE;
    return code;
}

void slots_catalogue_free(slots_catalogue_t *c)
{
    for (size_t i = 0; i < c->n; i++) {
        free((void *)(uintptr_t)c->tasks[i].library);
        free_words((char **)(uintptr_t)c->tasks[i].argv);
    }
    free(c->tasks);
    *c = (slots_catalogue_t){0};
}
