/* Containers by their names: the operator's own command lines with {container} filled in, started without a shell,
 * waited for with a bound. */
#include "slots/shared/container.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "slots/shared/cgroup.h"
#include "slots/shared/proc.h"

enum { LIST_BYTES_MAX = 1 << 20, REAP_WAIT_MS = 5 };

void container_name(char *ret, size_t cap, pid_t guardian, uint32_t slot, uint32_t generation, uint32_t n)
{
    char root[CGROUP_NAME_MAX];
    cgroup_name_root(root, sizeof root, guardian);
    snprintf(ret, cap, "%s-%u-%u-%u", root, slot, generation, n);
}

/* `out_fd` is its stdout (-1: /dev/null). -1 with errno. */
static pid_t start_process(char *const *argv, int out_fd, const ordinary_t *ordinary)
{
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null_fd < 0)
        return -1;
    const int fds[] = {null_fd, out_fd >= 0 ? out_fd : null_fd, null_fd};
    child_t child = {.argv = argv, .fds = fds, .fds_n = 3, .ordinary = ordinary};
    pid_t pid;
    int error = child_start(&child, &pid);
    close(null_fd);
    if (error && pid > 0)
        waitpid(pid, NULL, 0);
    errno = error;
    return error ? -1 : pid;
}

/* The words with the name in place of {container}. */
static char **with_name(char *const *words, const char *name)
{
    static const char mark[] = "{container}";
    size_t n = words_count((const char *const *)(uintptr_t)words);
    char **made = calloc(n + 1, sizeof *made);
    for (size_t i = 0; made && i < n; i++) {
        buf_t b = {0};
        const char *at = words[i];
        for (const char *found; (found = strstr(at, mark)); at = found + strlen(mark)) {
            buf_append(&b, at, (size_t)(found - at));
            buf_append_text(&b, name);
        }
        buf_append(&b, at, strlen(at) + 1);
        made[i] = (char *)b.data;
        if (b.failed) {
            buf_free(&b);
            made[i] = NULL;
            words_free(made);
            return NULL;
        }
    }
    return made;
}

pid_t container_kill_start(const slots_task_t *task, const char *name, const ordinary_t *ordinary)
{
    char **argv = with_name(task->terms.kill_argv, name);
    pid_t pid = argv ? start_process(argv, -1, ordinary) : -1;
    words_free(argv);
    return pid;
}

static void wait_for(pid_t pid, int64_t end_ms)
{
    while (pid > 0 && waitpid(pid, NULL, WNOHANG) == 0) {
        if (proc_now_ms() >= end_ms)
            kill(pid, SIGKILL);
        poll(NULL, 0, REAP_WAIT_MS);
    }
}

void container_kill(const slots_task_t *task, const char *name, const ordinary_t *ordinary)
{
    wait_for(container_kill_start(task, name, ordinary), proc_now_ms() + CONTAINER_WAIT_MS);
}

static void kill_if_dead(const slots_task_t *task, const char *name, const ordinary_t *ordinary)
{
    if (strlen(name) < CONTAINER_NAME_MAX && cgroup_name_is_dead(name))
        container_kill(task, name, ordinary);
}

static void sweep_task(const slots_task_t *task, const ordinary_t *ordinary)
{
    int ends[2];
    buf_t text = {0};
    char *save = NULL;
    int64_t end_ms = proc_now_ms() + CONTAINER_WAIT_MS;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return;
    pid_t pid = start_process(task->terms.list_argv, ends[1], ordinary);
    close(ends[1]);
    while (text.len < LIST_BYTES_MAX && proc_read_until(ends[0], &text, end_ms) > 0)
        ;
    close(ends[0]);
    wait_for(pid, end_ms);
    buf_append(&text, "", 1);
    for (char *name = text.failed ? NULL : strtok_r((char *)text.data, " \t\r\n", &save); name;
         name = strtok_r(NULL, " \t\r\n", &save))
        kill_if_dead(task, name, ordinary);
    buf_free(&text);
}

void container_sweep(const plan_t *plan)
{
    for (uint32_t i = 0; i < plan->tasks_n; i++)
        if (plan->tasks[i].terms.list_argv && plan->tasks[i].terms.kill_argv)
            sweep_task(&plan->tasks[i], &plan->ordinary);
}
