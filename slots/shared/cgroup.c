/* Folders of cgroup v2: finding out where this process may make them, the guardian's and one for each life of a slot,
 * and killing, freezing and removing them. The cgroup that this process is in is read from /proc; folders of our own
 * making are no base for new ones. What dead guardians left is told by its name and removed at the next start. */
#include "slots/shared/cgroup.h"

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

bool cgroup_read(int dir_fd, const char *name, char *ret, size_t cap)
{
    int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, ret, cap - 1);
    if (fd >= 0)
        close(fd);
    ret[n > 0 ? n : 0] = '\0';
    return n >= 0;
}

int cgroup_open_dir(int at_fd, const char *name)
{
    return openat(at_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
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
    if (!cgroup_read(AT_FDCWD, "/proc/self/cgroup", text, sizeof text))
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
    if (!cgroup_read(base_fd, "cgroup.procs", text, sizeof text) || strtol(text, &end, 10) != getpid() ||
        strcmp(end, "\n") != 0)
        return;
    snprintf(name, sizeof name, ASIDE_PREFIX "%ld", (long)getpid());
    int fd = mkdirat(base_fd, name, 0755) == 0 || errno == EEXIST ? cgroup_open_dir(base_fd, name) : -1;
    if (fd >= 0) {
        (void)cgroup_enter(fd);
        close(fd);
    }
}

/* Its number may be another process's by now, or wait to be reaped. */
static bool is_living_guardian(long pid)
{
    char path[64], text[256];
    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    if (!cgroup_read(AT_FDCWD, path, text, sizeof text))
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

bool cgroup_root_find(cgroup_root_t *root, pid_t pid)
{
    char path[PATH_MAX];
    *root = (cgroup_root_t){.dir_fd = -1};
    cgroup_name_root(root->name, sizeof root->name, pid);
    root->base_fd = cgroup_open_base(path, sizeof path, 0);
    root->dir_fd = root->base_fd < 0 ? -1 : cgroup_open_dir(root->base_fd, root->name);
    if (root->dir_fd < 0)
        cgroup_root_close(root);
    return root->dir_fd >= 0;
}

void cgroup_root_close(cgroup_root_t *root)
{
    if (root->dir_fd >= 0)
        close(root->dir_fd);
    if (root->base_fd >= 0)
        close(root->base_fd);
    root->dir_fd = root->base_fd = -1;
}

void cgroup_each_folder(int dir_fd, const char *prefix, cgroup_folder_fn fn)
{
    int fd = cgroup_open_dir(dir_fd, ".");
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        if (fd >= 0)
            close(fd);
        return;
    }
    for (struct dirent *d; (d = readdir(dir));)
        if (strncmp(d->d_name, prefix, strlen(prefix)) == 0)
            fn(dir_fd, d->d_name);
    closedir(dir);
}

static void kill_folder(int parent_fd, const char *name)
{
    int fd = cgroup_open_dir(parent_fd, name);
    if (fd < 0)
        return;
    cgroup_kill(fd);
    close(fd);
}

/* With its own folders, which are there when controllers are passed on (controls.h). */
static void remove_folder(int parent_fd, const char *name)
{
    static const char *const inner[] = {"supervisor", "command", "host", "serve"};
    char path[PATH_MAX];
    for (size_t i = 0; i < sizeof inner / sizeof *inner; i++) {
        snprintf(path, sizeof path, "%.300s/%s", name, inner[i]);
        unlinkat(parent_fd, path, AT_REMOVEDIR);
    }
    unlinkat(parent_fd, name, AT_REMOVEDIR);
}

void cgroup_root_kill(const cgroup_root_t *root)
{
    cgroup_each_folder(root->dir_fd, "slot-", kill_folder);
}

bool cgroup_root_remove(cgroup_root_t *root)
{
    cgroup_each_folder(root->dir_fd, "slot-", remove_folder);
    return unlinkat(root->base_fd, root->name, AT_REMOVEDIR) == 0 || errno == ENOENT;
}

/* A folder of our pid namespace whose guardian is dead. */
static void sweep_folder(int parent_fd, const char *name)
{
    if (!cgroup_name_is_dead(name))
        return;
    cgroup_root_t dead = {.dir_fd = cgroup_open_dir(parent_fd, name), .base_fd = parent_fd};
    if (dead.dir_fd < 0)
        return;
    snprintf(dead.name, sizeof dead.name, "%.63s", name);
    for (int i = 0; i < 100 && !cgroup_root_remove(&dead); i++) {
        cgroup_root_kill(&dead);
        usleep(2000);
    }
    close(dead.dir_fd);
}

static void find_abilities(cgroup_root_t *root, const char *path)
{
    int probe = cgroup_slot_make(root, UINT32_MAX, 0);
    root->can_kill = probe >= 0 && faccessat(probe, "cgroup.kill", W_OK, 0) == 0;
    root->can_freeze = probe >= 0 && faccessat(probe, "cgroup.freeze", W_OK, 0) == 0;
    bool can_move = probe >= 0 && faccessat(probe, "cgroup.procs", W_OK, 0) == 0;
    if (probe >= 0)
        close(probe);
    cgroup_slot_remove(root, UINT32_MAX, 0);
    if (!can_move) {
        cgroup_root_remove(root);
        cgroup_root_close(root);
        return;
    }
    snprintf(root->text, sizeof root->text, "%s, %s (cgroup v2 at %.200s)",
             root->can_kill ? "kill by cgroup" : "kill by signals",
             root->can_freeze ? "freeze by cgroup" : "freeze by SIGSTOP", path);
}

void cgroup_root_open(cgroup_root_t *root, pid_t pid, bool allowed)
{
    char path[PATH_MAX] = "";
    *root = (cgroup_root_t){.dir_fd = -1};
    cgroup_name_root(root->name, sizeof root->name, pid);
    root->base_fd = allowed ? cgroup_open_base(path, sizeof path, 0) : -1;
    if (root->base_fd >= 0) {
        cgroup_each_folder(root->base_fd, "fanmap-", sweep_folder);
        if (mkdirat(root->base_fd, root->name, 0755) == 0)
            root->dir_fd = cgroup_open_dir(root->base_fd, root->name);
    }
    if (root->dir_fd >= 0)
        find_abilities(root, path);
    else
        cgroup_root_close(root);
    if (root->dir_fd < 0)
        snprintf(root->text, sizeof root->text,
                 "kill by signals, freeze by SIGSTOP (no cgroup v2 folder may be made here)");
}

static void name_slot(char *ret, size_t cap, uint32_t slot, uint32_t generation)
{
    snprintf(ret, cap, "slot-%u.%u", slot, generation);
}

int cgroup_slot_make(const cgroup_root_t *root, uint32_t slot, uint32_t generation)
{
    char name[64];
    if (root->dir_fd < 0)
        return -1;
    name_slot(name, sizeof name, slot, generation);
    if (mkdirat(root->dir_fd, name, 0755) != 0 && errno != EEXIST)
        return -1;
    return cgroup_open_dir(root->dir_fd, name);
}

void cgroup_slot_remove(const cgroup_root_t *root, uint32_t slot, uint32_t generation)
{
    char name[64];
    name_slot(name, sizeof name, slot, generation);
    if (root->dir_fd >= 0)
        remove_folder(root->dir_fd, name);
}

bool cgroup_enter(int slot_fd)
{
    return cgroup_write(slot_fd, "cgroup.procs", "0");
}

bool cgroup_kill(int slot_fd)
{
    return cgroup_write(slot_fd, "cgroup.kill", "1");
}

bool cgroup_freeze(int slot_fd, bool freeze)
{
    return cgroup_write(slot_fd, "cgroup.freeze", freeze ? "1" : "0");
}

bool cgroup_is_empty(int slot_fd)
{
    char text[256];
    return cgroup_read(slot_fd, "cgroup.events", text, sizeof text) && strstr(text, "populated 0") != NULL;
}
