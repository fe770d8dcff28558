/* Where cgroups are. The cgroup that this process is in is read from /proc; folders of our own making are no base for new ones.
 * What dead guardians left is known by its name. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "slots/shared/cgroup.h"
#include "slots/shared/proc.h"

#define ASIDE_PREFIX "fanmap-worker-"

bool cgroup_write(int dir_fd, const char *name, const char *text)
{
    int fd = openat(dir_fd, name, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = write(fd, text, strlen(text));
    close(fd);
    return n == (ssize_t)strlen(text);
}

int cgroup_open_dir(int at_fd, const char *name)
{
    return openat(at_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

int cgroup_make_dir(int at_fd, const char *name)
{
    return mkdirat(at_fd, name, 0755) == 0 || errno == EEXIST ? cgroup_open_dir(at_fd, name) : -1;
}

bool cgroup_has_word(const char *words, const char *word, const char *separators)
{
    size_t len = strlen(word);
    for (const char *at = words; *at;) {
        size_t n = strcspn(at, separators);
        if (n == len && memcmp(at, word, len) == 0)
            return true;
        at += n;
        at += strspn(at, separators);
    }
    return false;
}

/* A line of mountinfo: root and mount are its fourth and fifth field, the file system and its options stand behind the
 * dash. */
bool cgroup_find_mount(const char *controller, char *mount, char *root, size_t cap)
{
    FILE *f = fopen("/proc/self/mountinfo", "re");
    char *line = NULL;
    size_t line_cap = 0;
    bool found = false;
    while (f && !found && getline(&line, &line_cap, f) > 0) {
        char from[PATH_MAX], at[PATH_MAX], options[512];
        const char *rest = strstr(line, controller ? " - cgroup " : " - cgroup2 ");
        if (!rest || sscanf(line, "%*s %*s %*s %4095s %4095s", from, at) != 2 ||
            sscanf(rest, " - %*s %*s %511s", options) != 1 ||
            (controller && !cgroup_has_word(options, controller, ",")))
            continue;
        found = (size_t)snprintf(mount, cap, "%s", at) < cap && (size_t)snprintf(root, cap, "%s", from) < cap;
    }
    free(line);
    if (f)
        fclose(f);
    return found;
}

bool cgroup_find_own(const char *controller, char *ret, size_t cap)
{
    char text[8192], *save = NULL;
    if (!proc_read_file(AT_FDCWD, "/proc/self/cgroup", text, sizeof text))
        return false;
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char *names = strchr(line, ':'), *path = names ? strchr(names + 1, ':') : NULL;
        if (!path)
            continue;
        *path++ = '\0';
        if (controller ? cgroup_has_word(names + 1, controller, ",") : strcmp(line, "0:") == 0)
            return (size_t)snprintf(ret, cap, "%s", path) < cap;
    }
    return false;
}

static unsigned long own_pid_namespace(void)
{
    struct stat about;
    return stat("/proc/self/ns/pid", &about) == 0 ? (unsigned long)about.st_ino : 0;
}

void cgroup_name_root(char *ret, size_t cap, pid_t guardian)
{
    snprintf(ret, cap, "fanmap-%lu-%ld", own_pid_namespace(), (long)guardian);
}

/* Folders of our own making are no base: that of the guardian that started this process, or the one that the worker
 * made for itself (cgroup_move_aside). */
static void strip_own_folders(char *own, pid_t guardian)
{
    char root[CGROUP_NAME_MAX + 1] = "/";
    cgroup_name_root(root + 1, sizeof root - 1, guardian);
    char *found = guardian > 0 ? strstr(own, root) : NULL;
    size_t len = strlen(root);
    if (found && (found[len] == '/' || found[len] == '\0'))
        *found = '\0';
    char *last = strrchr(own, '/');
    if (last && strncmp(last, "/" ASIDE_PREFIX, strlen("/" ASIDE_PREFIX)) == 0)
        *last = '\0';
}

int cgroup_open_base(char *path, size_t cap, pid_t guardian)
{
    char mount[PATH_MAX], root[PATH_MAX], own[PATH_MAX];
    if (!cgroup_find_mount(NULL, mount, root, sizeof mount) || !cgroup_find_own(NULL, own, sizeof own))
        return -1;
    strip_own_folders(own, guardian);
    int n = snprintf(path, cap, "%s%s", mount, strcmp(own, "/") == 0 ? "" : own);
    return n > 0 && (size_t)n < cap ? cgroup_open_dir(AT_FDCWD, path) : -1;
}

void cgroup_move_aside(int base_fd)
{
    char text[64], name[CGROUP_NAME_MAX];
    char *end;
    if (!proc_read_file(base_fd, "cgroup.procs", text, sizeof text) || strtol(text, &end, 10) != getpid() ||
        strcmp(end, "\n") != 0)
        return;
    snprintf(name, sizeof name, ASIDE_PREFIX "%ld", (long)getpid());
    int fd = cgroup_make_dir(base_fd, name);
    if (fd >= 0)
        (void)cgroup_enter(fd);
    proc_close_fd(&fd);
}

/* Its number may be another process's by now, or wait to be reaped. */
static bool is_living_guardian(long pid)
{
    char path[64], text[256];
    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    if (!proc_read_file(AT_FDCWD, path, text, sizeof text))
        return kill((pid_t)pid, 0) == 0 || errno != ESRCH;
    const char *state = strstr(text, "(fanmap-guardian) ");
    return state && !strchr("ZX", state[strlen("(fanmap-guardian) ")]);
}

bool cgroup_name_is_dead(const char *name)
{
    unsigned long namespace;
    long pid;
    if (sscanf(name, "fanmap-%lu-%ld", &namespace, &pid) != 2 || namespace != own_pid_namespace() || pid <= 0)
        return false;
    return !is_living_guardian(pid);
}

void cgroup_each_folder(int dir_fd, const char *prefix, cgroup_folder_fn fn)
{
    int fd = cgroup_open_dir(dir_fd, ".");
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        proc_close_fd(&fd);
        return;
    }
    for (struct dirent *d; (d = readdir(dir));)
        if (strncmp(d->d_name, prefix, strlen(prefix)) == 0)
            fn(dir_fd, d->d_name);
    closedir(dir);
}
