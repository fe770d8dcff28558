/* Starting our own programs by posix_spawn with nothing but what they are given, and finding them: near the file that
 * this code stands in, near the running program, or where the build put them. */
#include "slots/shared/proc.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "slots/shared/terms.h"

#ifndef FANMAP_LIBEXECDIR
#define FANMAP_LIBEXECDIR "/usr/libexec/fanmap"
#endif

enum { PIECE_BYTES = 4096 };

extern char **environ;

int64_t proc_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t proc_now_ms(void)
{
    return proc_now_ns() / 1000000;
}

void proc_close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

ssize_t proc_read(int fd, buf_t *to, size_t max)
{
    void *room = buf_reserve(to, max);
    ssize_t n = room ? read(fd, room, max) : 0;
    to->len += n > 0 ? (size_t)n : 0;
    return n;
}

bool proc_read_file(int dir_fd, const char *name, char *ret, size_t cap)
{
    int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, ret, cap - 1);
    proc_close_fd(&fd);
    ret[n > 0 ? n : 0] = '\0';
    return n >= 0;
}

ssize_t proc_read_until(int fd, buf_t *to, int64_t end_ms)
{
    for (;;) {
        int64_t left_ms = end_ms - proc_now_ms();
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int ready = left_ms > 0 ? poll(&p, 1, (int)left_ms) : 0;
        if (ready == 0)
            return -1;
        ssize_t n = ready > 0 ? proc_read(fd, to, PIECE_BYTES) : -1;
        if (n >= 0 || errno != EINTR)
            return n > 0 ? n : 0;
    }
}

/* The sources are copied out of the way first, so that no target overwrites a source. */
static int add_fds(posix_spawn_file_actions_t *actions, const proc_program_t *program, int *copies)
{
    int error = 0;
    for (unsigned i = 0; i < program->fds_n && !error; i++) {
        if (program->fds[i] < 0) {
            error = posix_spawn_file_actions_addopen(actions, (int)i, "/dev/null", O_RDWR, 0);
            continue;
        }
        copies[i] = fcntl(program->fds[i], F_DUPFD_CLOEXEC, PROC_FDS_MAX + 1);
        error = copies[i] < 0 ? errno : posix_spawn_file_actions_adddup2(actions, copies[i], (int)i);
    }
    return error;
}

static int set_attributes(posix_spawnattr_t *attr, bool in_session)
{
    sigset_t all, none;
    sigfillset(&all);
    sigemptyset(&none);
    posix_spawnattr_setsigdefault(attr, &all);
    posix_spawnattr_setsigmask(attr, &none);
    short flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK;
    return posix_spawnattr_setflags(attr, (short)(flags | (in_session ? POSIX_SPAWN_SETPGROUP : POSIX_SPAWN_SETSID)));
}

int proc_spawn(const proc_program_t *program, pid_t *ret_pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    int copies[PROC_FDS_MAX];
    memset(copies, -1, sizeof copies);
    if (program->fds_n > PROC_FDS_MAX)
        return EINVAL;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attr);
    int error = add_fds(&actions, program, copies);
    if (!error)
        error = set_attributes(&attr, program->in_session);
    if (!error)
        error = posix_spawnp(ret_pid, program->path, &actions, &attr, program->argv, program->env);
    for (unsigned i = 0; i < PROC_FDS_MAX; i++)
        proc_close_fd(&copies[i]);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

bool proc_is_shortage(int error)
{
    return error == EAGAIN || error == ENOMEM || error == EMFILE || error == ENFILE;
}

void proc_close_from(unsigned first)
{
    if (syscall(SYS_close_range, first, ~0U, 0) == 0)
        return;
    long max = sysconf(_SC_OPEN_MAX);
    for (int fd = (int)first; fd < (max > 0 && max < 65536 ? max : 65536); fd++)
        close(fd);
}

int proc_pidfd(pid_t pid)
{
    return (int)syscall(SYS_pidfd_open, pid, 0);
}

int proc_pidfd_kill(int pidfd, int signo)
{
    return (int)syscall(SYS_pidfd_send_signal, pidfd, signo, NULL, 0);
}

static bool has_program(const char *folder, const char *name)
{
    char path[PATH_MAX];
    int n = snprintf(path, sizeof path, "%s/%s", folder, name);
    return n > 0 && (size_t)n < sizeof path && access(path, X_OK) == 0;
}

static bool try_folder(const char *folder, const char *name, char *ret, size_t cap)
{
    int n = has_program(folder, name) ? snprintf(ret, cap, "%s", folder) : -1;
    return n > 0 && (size_t)n < cap;
}

/* Beside the file, as in the build folder, or in the libexec/fanmap of the prefix whose bin, lib or lib/TRIPLET it
 * stands in. */
static bool try_around(const char *file, const char *name, char *ret, size_t cap)
{
    static const char *const places[] = {"", "/../libexec/fanmap", "/../../libexec/fanmap"};
    char own[PATH_MAX], folder[PATH_MAX + 32];
    if (!realpath(file, own))
        return false;
    *strrchr(own, '/') = '\0';
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        snprintf(folder, sizeof folder, "%s%s", own, places[i]);
        if (try_folder(folder, name, ret, cap))
            return true;
    }
    return false;
}

bool proc_find_libexec(const char *name, char *ret, size_t cap)
{
    static const char here; /* in libfanmap.so, or in the program */
    const char *named = getenv("FANMAP_LIBEXEC");
    Dl_info object;
    if (named)
        return try_folder(named, name, ret, cap);
    if (dladdr(&here, &object) && strchr(object.dli_fname, '/') && try_around(object.dli_fname, name, ret, cap))
        return true;
    return try_around("/proc/self/exe", name, ret, cap) || try_folder(FANMAP_LIBEXECDIR, name, ret, cap);
}

static bool is_same_name(const char *a, const char *b)
{
    size_t n = strcspn(a, "=");
    return strncmp(a, b, n + 1) == 0;
}

char **proc_merge_env(char *const *base, char *const *own)
{
    size_t own_n = words_count((const char *const *)(uintptr_t)own), to = 0;
    size_t n = words_count((const char *const *)(uintptr_t)base);
    char **env = calloc(n + own_n + 1, sizeof *env);
    if (!env)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        bool is_replaced = false;
        for (size_t k = 0; k < own_n; k++)
            is_replaced = is_replaced || is_same_name(own[k], base[i]);
        if (!is_replaced)
            env[to++] = base[i];
    }
    for (size_t k = 0; k < own_n; k++)
        env[to++] = own[k];
    return env;
}

char **proc_clean_env(char *const *own)
{
    size_t n = words_count((const char *const *)environ), kept = 0;
    char **clean = calloc(n + 1, sizeof *clean);
    for (size_t i = 0; clean && i < n; i++)
        if (strncmp(environ[i], "FANMAP_", 7) != 0 && strncmp(environ[i], "TRACEPARENT=", 12) != 0)
            clean[kept++] = environ[i];
    char **env = clean ? proc_merge_env(clean, own) : NULL;
    free(clean);
    return env;
}
