/* Tasks of libraries. A library is never loaded here: fanmap-host lists it in a process of its own, which may hang, crash or print,
 * and is killed when the list is complete or its time is over. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/text.h"
#include "slots/catalogue/catalogue.h"
#include "slots/shared/proc.h"

enum { LIST_BYTES_MAX = 1 << 20, LIST_WAIT_MS = 10000 };

static int start_list(const char *path, const char *user, int *ret_fd, pid_t *ret_pid, fanmap_error_t *err)
{
    char program[PATH_MAX + 32], libexec[PATH_MAX];
    const char *argv[] = {"fanmap-host", "--list", path, user, NULL};
    int ends[2];
    if (!proc_find_libexec("fanmap-host", libexec, sizeof libexec))
        return err_set(err, FANMAP_EUSAGE, "the program fanmap-host is missing: name its folder in FANMAP_LIBEXEC");
    snprintf(program, sizeof program, "%s/fanmap-host", libexec);
    char **env = proc_clean_env(NULL);
    if (!env || pipe2(ends, O_CLOEXEC) != 0) {
        free(env);
        return err_set_retry(err, FANMAP_EIO, "no pipe: %s", strerror(errno));
    }
    const int fds[] = {-1, -1, -1, ends[1]};
    proc_program_t p = {.path = program, .argv = (char *const *)(uintptr_t)argv, .env = env, .fds = fds, .fds_n = 4};
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

/* Reads to the line "." or the end. Returns false if neither came in time. */
static bool read_list(int fd, buf_t *text)
{
    int64_t end_ms = proc_now_ms() + LIST_WAIT_MS;
    while (text->len < LIST_BYTES_MAX) {
        ssize_t n = proc_read_until(fd, text, end_ms);
        if (n <= 0)
            return n == 0;
        if (text->len >= 2 && memcmp(text->data + text->len - 2, ".\n", 2) == 0)
            return true;
    }
    return false;
}

/* One task a line; "!REASON" instead when the library is no good; "." at the end. */
static int parse_list(slots_catalogue_t *c, const char *path, char *text, bool *ret_ended, fanmap_error_t *err)
{
    char *save = NULL, safe[400];
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        slots_task_t *task;
        *ret_ended = strcmp(line, ".") == 0;
        if (*ret_ended)
            break;
        if (*line == '!')
            return err_set(err, FANMAP_EUSAGE, "%s", text_escape_to(safe, sizeof safe, line + 1, strlen(line + 1)));
        int code = slots_catalogue_add_task(c, line, &task, err);
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
    int code = start_list(path, c->task_user, &fd, &pid, err);
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
        code = parse_list(c, path, (char *)text.data, &has_ended, err);
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
        slots_task_free(&c->tasks[--c->n]);
    return err_wrap(err, "task library %s", safe);
}

static int copy_function(slots_catalogue_t *c, const slots_task_t *from, fanmap_error_t *err)
{
    slots_task_t *task;
    char *library = strdup(from->library);
    int code = library ? slots_catalogue_add_task(c, from->name, &task, err) : err_set(err, FANMAP_ENOMEM, "no memory");
    if (code != FANMAP_OK)
        free(library);
    else
        task->library = library;
    return code;
}

int slots_catalogue_add_function(slots_catalogue_t *c, const char *path, const char *name, fanmap_error_t *err)
{
    slots_catalogue_t all = {.task_user = c->task_user};
    size_t i = 0;
    int code = slots_catalogue_add_library(&all, path, err);
    while (i < all.n && strcmp(all.tasks[i].name, name) != 0)
        i++;
    if (code == FANMAP_OK && i == all.n)
        code = err_set(err, FANMAP_EUSAGE, "the library has no task '%.63s'", name);
    else if (code == FANMAP_OK)
        code = copy_function(c, &all.tasks[i], err);
    slots_catalogue_free(&all);
    return code;
}
