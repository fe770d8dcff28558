/* Starting a command with as little as can be between two of them: the supervisor's own descriptors 0, 1 and 2 are what
 * the command inherits, its environment is patched in place, and vfork shares everything else until the exec. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "slots/supervisor/supervisor.h"

extern char **environ;

static int own_pipe(int *ret_read, int target, const task_user_t *user)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return errno;
    int error = dup2(ends[1], target) < 0 || fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0 ? errno : 0;
    task_user_own(user, ends[1]);
    close(ends[1]);
    proc_close_fd(ret_read);
    *ret_read = ends[0];
    return error;
}

int command_renew_pipes(command_t *c)
{
    const task_user_t *user = &c->limiter.ordinary->user;
    int error = own_pipe(&c->out_fd, STDOUT_FILENO, user);
    return error ? error : own_pipe(&c->err_fd, STDERR_FILENO, user);
}

static int open_stdin(command_t *c)
{
    char path[64];
    c->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    c->stdin_write_fd = memfd_create("fanmap-item", MFD_CLOEXEC);
    snprintf(path, sizeof path, "/proc/self/fd/%d", c->stdin_write_fd);
    c->stdin_fd = c->stdin_write_fd < 0 ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    return c->null_fd < 0 || c->stdin_fd < 0 ? errno : 0;
}

static int make_env(command_t *c)
{
    char *own[ENV_VARS + 1] = {NULL};
    for (size_t i = 0; i < ENV_VARS; i++)
        own[i] = c->env_text[i];
    c->env = proc_merge_env(environ, own);
    return c->env ? 0 : ENOMEM;
}

int command_make_task_env(command_t *c)
{
    free(c->task_env);
    c->task_env = NULL;
    if (!c->task || !c->task->terms.env)
        return 0;
    c->task_env = proc_merge_env(c->env, c->task->terms.env);
    return c->task_env ? 0 : ENOMEM;
}

int command_prepare(command_t *c, uint32_t slot)
{
    if (c->is_ready)
        return 0;
    int error = open_stdin(c);
    if (!error)
        error = command_renew_pipes(c);
    if (!error)
        error = make_env(c);
    if (!error)
        error = command_make_task_env(c);
    snprintf(c->env_text[5], ENV_VAR_BYTES, "FANMAP_SLOT=%" PRIu32, slot);
    c->is_ready = !error;
    return error;
}

static void set_env(command_t *c, const slot_run_t *run)
{
    snprintf(c->env_text[0], ENV_VAR_BYTES, "FANMAP_JOB=%s", c->job);
    snprintf(c->env_text[1], ENV_VAR_BYTES, "FANMAP_INDEX=%" PRIu64, run->index);
    snprintf(c->env_text[2], ENV_VAR_BYTES, "FANMAP_ATTEMPT=%" PRIu32, run->attempt);
    snprintf(c->env_text[3], ENV_VAR_BYTES, "FANMAP_FENCE=%" PRIu64, run->fence);
    snprintf(c->env_text[4], ENV_VAR_BYTES, "FANMAP_DEADLINE=%" PRId64, run->deadline_ms);
}

/* The item as a file: nobody has to feed it, and a command may leave it unread. The one before may have written to it. */
static int set_item(command_t *c, const buf_t *text)
{
    size_t done = 0;
    if (ftruncate(c->stdin_write_fd, (off_t)text->len) != 0)
        return errno;
    while (done < text->len) {
        ssize_t n = pwrite(c->stdin_write_fd, text->data + done, text->len - done, (off_t)done);
        if (n <= 0)
            return errno ? errno : EIO;
        done += (size_t)n;
    }
    return 0;
}

static int set_stdin(command_t *c, const slot_run_t *run, bool is_item)
{
    int error = 0;
    if (is_item) {
        buf_clear(&c->scratch);
        if (!args_value_text(&c->scratch, run->in, run->in_len) || c->scratch.failed)
            return EILSEQ;
        if (!c->task->terms.raw_input && !args_is_binary(run->in, run->in_len))
            buf_append(&c->scratch, "\n", 1); /* as a here-string has it */
        error = set_item(c, &c->scratch);
        lseek(c->stdin_fd, 0, SEEK_SET);
    }
    if (!error && is_item != c->stdin_is_item) {
        error = dup2(is_item ? c->stdin_fd : c->null_fd, STDIN_FILENO) < 0 ? errno : 0;
        c->stdin_is_item = is_item;
    }
    return error;
}

/* A command may have set O_NONBLOCK on what it shares with the next one. */
static void reset_flags(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags & (O_NONBLOCK | O_ASYNC))
        fcntl(fd, F_SETFL, flags & ~(O_NONBLOCK | O_ASYNC));
}

bool command_is_short(const supervisor_t *s, int error)
{
    const limits_t *limits = &s->command.limiter.limits;
    if ((error == ENOMEM && limits->memory_bytes) || (error == EMFILE && limits->files_n) ||
        (error == EAGAIN && limits->processes_n))
        return false;
    return proc_is_shortage(error);
}

void spawn_reason(const terms_t *terms, const task_user_t *user, int error, char *ret, size_t cap)
{
    bool is_workdir = terms->workdir && !task_user_may_run(user, terms->workdir);
    snprintf(ret, cap, "%s%.100s%s%s", is_workdir ? "its workdir " : "", is_workdir ? terms->workdir : "",
             is_workdir ? ": " : "", strerror(error));
}

/* With the span of this attempt in the place of its submitter's. */
static char **trace_env(command_t *c, const slot_run_t *run, char **env)
{
    char own[TRACE_MAX + 1];
    char *vars[] = {c->trace_text, NULL};
    trace_child(own, c->traceparent, trace_span(c->trace_salt, run->index, run->attempt, run->n));
    snprintf(c->trace_text, sizeof c->trace_text, "TRACEPARENT=%s", own);
    return proc_merge_env(env, vars);
}

int command_spawn(command_t *c, const ordinary_t *ordinary, const slot_run_t *run, bool stdin_is_item)
{
    char **env = c->task_env ? c->task_env : c->env, **of_record = NULL, **of_trace = NULL;
    set_env(c, run);
    int error = set_stdin(c, run, stdin_is_item);
    if (error)
        return error;
    if (run->context_len > 0) {
        if (!record_env_make(&c->record_env, run->context, run->context_len))
            return ENOMEM;
        env = of_record = proc_merge_env(env, c->record_env.vars);
        if (!env)
            return ENOMEM;
    }
    if (c->traceparent[0]) {
        env = of_trace = trace_env(c, run, env);
        if (!env) {
            free(of_record);
            return ENOMEM;
        }
    }
    reset_flags(STDOUT_FILENO);
    reset_flags(STDERR_FILENO);
    child_t child = {.path = c->path,
                     .argv = c->args.argv,
                     .env = env,
                     .ordinary = ordinary,
                     .terms = &c->task->terms,
                     .limit = limiter_enter,
                     .limiter = &c->limiter};
    error = child_start(&child, &c->pid);
    free(of_record);
    free(of_trace);
    if (error && c->pid > 0)
        c->pid = -1; /* its exit is reaped as a stranger's */
    return error;
}

char *command_find_program(const char *name, const task_user_t *user)
{
    const char *folders = getenv("PATH");
    if (strchr(name, '/'))
        return strdup(name);
    for (const char *at = folders ? folders : "/usr/local/bin:/usr/bin:/bin"; at; at = strchr(at, ':')) {
        char path[PATH_MAX];
        at += *at == ':';
        int len = (int)strcspn(at, ":");
        int n = snprintf(path, sizeof path, "%.*s/%s", len > 0 ? len : 1, len > 0 ? at : ".", name);
        if (n > 0 && (size_t)n < sizeof path && task_user_may_run(user, path))
            return strdup(path);
    }
    return NULL;
}
