/* Controllers of memory, processes and processors: found in v2 where they may be passed on, else in the controller's
 * own v1 hierarchy, else not at all. Folders are made where a limit is first needed. What dead guardians left in v1 is
 * killed and removed at the next start. */
#include "slots/shared/controls.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "slots/shared/cgroup.h"
#include "slots/shared/proc.h"

enum { CPU_PERIOD_US = 100000, CPU_QUOTA_MIN_US = 1000, SWEEP_TURNS = 100, SWEEP_WAIT_US = 2000 };

static const char *const controllers[CONTROLS_N] = {"memory", "pids", "cpu"};
static const char *const engines[ENGINES_N] = {"command", "host", "serve"};

/* ---- finding ---- */

static int open_v1(const char *controller)
{
    char mount[PATH_MAX], root[PATH_MAX], own[PATH_MAX], path[2 * PATH_MAX];
    if (!cgroup_find_mount(controller, mount, root, sizeof mount) || !cgroup_find_own(controller, own, sizeof own))
        return -1;
    size_t skip = strcmp(root, "/") != 0 && strncmp(own, root, strlen(root)) == 0 ? strlen(root) : 0;
    snprintf(path, sizeof path, "%s%s", mount, own + skip);
    return cgroup_open_dir(AT_FDCWD, path);
}

/* In v2 a controller has to be passed on to the children, which the kernel refuses while others than we live in BASE.
 */
static bool pass_on(int dir_fd, const char *controller)
{
    char text[256], add[32];
    if (!proc_read_file(dir_fd, "cgroup.controllers", text, sizeof text) || !cgroup_has_word(text, controller, " \n"))
        return false;
    if (proc_read_file(dir_fd, "cgroup.subtree_control", text, sizeof text) && cgroup_has_word(text, controller, " \n"))
        return true;
    snprintf(add, sizeof add, "+%s", controller);
    return cgroup_write(dir_fd, "cgroup.subtree_control", add);
}

void controls_find(controls_t *c, bool allowed, pid_t guardian)
{
    char path[PATH_MAX];
    int v2_fd = allowed ? cgroup_open_base(path, sizeof path, guardian) : -1;
    for (int i = 0; i < CONTROLS_N; i++) {
        c->is_v2[i] = v2_fd >= 0 && faccessat(v2_fd, ".", W_OK, 0) == 0 && pass_on(v2_fd, controllers[i]);
        c->base_fds[i] = c->is_v2[i] ? fcntl(v2_fd, F_DUPFD_CLOEXEC, 0) : allowed ? open_v1(controllers[i]) : -1;
        if (c->base_fds[i] >= 0 && faccessat(c->base_fds[i], ".", W_OK, 0) != 0)
            proc_close_fd(&c->base_fds[i]);
    }
    proc_close_fd(&v2_fd);
    c->is_found = true;
}

void controls_make_room(void)
{
    char path[PATH_MAX], text[256];
    int fd = cgroup_open_base(path, sizeof path, 0);
    bool has_controllers = false;
    for (int i = 0; i < CONTROLS_N && fd >= 0; i++)
        has_controllers =
            has_controllers || (proc_read_file(fd, "cgroup.controllers", text, sizeof text) &&
                                cgroup_has_word(text, controllers[i], " \n") && !pass_on(fd, controllers[i]));
    if (has_controllers)
        cgroup_move_aside(fd);
    proc_close_fd(&fd);
}

void controls_close(controls_t *c)
{
    for (int i = 0; i < CONTROLS_N; i++)
        proc_close_fd(&c->base_fds[i]);
}

static const char *how(const controls_t *c, control_t which, const char *otherwise)
{
    return c->base_fds[which] < 0 ? otherwise : c->is_v2[which] ? "cgroup v2" : "cgroup v1";
}

char *controls_format(char *ret, size_t cap, const controls_t *c)
{
    snprintf(
        ret, cap, "limits: memory by %s, processes by %s, cpus by %s", how(c, CONTROL_MEMORY, "rlimit of each process"),
        how(c, CONTROL_PROCESSES, geteuid() == 0 ? "nothing" : "rlimit of the user"), how(c, CONTROL_CPU, "nothing"));
    return ret;
}

bool controls_can_keep(const controls_t *c, const limits_t *l, const char **ret_name)
{
    /* RLIMIT_NPROC does not bind root. */
    if (l->processes_n && c->base_fds[CONTROL_PROCESSES] < 0 && geteuid() == 0) {
        *ret_name = "processes";
        return false;
    }
    if (l->cpus_milli && c->base_fds[CONTROL_CPU] < 0) {
        *ret_name = "cpus";
        return false;
    }
    return true;
}

/* ---- folders ---- */

int controls_open(const controls_t *c, control_t which, const controls_place_t *place, engine_folder_t engine)
{
    char root[CGROUP_NAME_MAX], name[CGROUP_NAME_MAX];
    cgroup_name_root(root, sizeof root, place->guardian);
    int root_fd = cgroup_make_dir(c->base_fds[which], root);
    if (root_fd < 0)
        return -1;
    snprintf(name, sizeof name, c->is_v2[which] ? "slot-%" PRIu32 ".%" PRIu32 "/%s" : "slot-%" PRIu32 ".%" PRIu32 ".%s",
             place->slot, place->generation, engines[engine]);
    int fd = cgroup_make_dir(root_fd, name), error = errno;
    close(root_fd);
    errno = error;
    return fd;
}

/* The limit with swap may never be below the one without: it is lifted first and set last. It is missing where swap is
 * not accounted. */
static bool set_memory_v1(int fd, uint64_t bytes)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRIu64, bytes);
    (void)cgroup_write(fd, "memory.memsw.limit_in_bytes", "-1");
    if (!cgroup_write(fd, "memory.limit_in_bytes", bytes ? text : "-1"))
        return false;
    if (bytes)
        (void)cgroup_write(fd, "memory.memsw.limit_in_bytes", text);
    return true;
}

static bool set_memory_v2(int fd, uint64_t bytes)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRIu64, bytes);
    (void)cgroup_write(fd, "memory.swap.max", bytes ? "0" : "max");
    return cgroup_write(fd, "memory.max", bytes ? text : "max");
}

static bool set_cpu(int fd, bool is_v2, uint64_t milli)
{
    char text[48];
    uint64_t quota_us = milli * (CPU_PERIOD_US / 1000);
    quota_us = quota_us < CPU_QUOTA_MIN_US ? CPU_QUOTA_MIN_US : quota_us;
    if (!milli)
        snprintf(text, sizeof text, "%s", is_v2 ? "max" : "-1");
    else if (is_v2)
        snprintf(text, sizeof text, "%" PRIu64 " %d", quota_us, CPU_PERIOD_US);
    else
        snprintf(text, sizeof text, "%" PRIu64, quota_us);
    return cgroup_write(fd, is_v2 ? "cpu.max" : "cpu.cfs_quota_us", text);
}

bool controls_set(const controls_t *c, control_t which, int fd, uint64_t limit)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRIu64, limit);
    switch (which) {
    case CONTROL_MEMORY:
        return c->is_v2[which] ? set_memory_v2(fd, limit) : set_memory_v1(fd, limit);
    case CONTROL_PROCESSES:
        return cgroup_write(fd, "pids.max", limit ? text : "max");
    case CONTROL_CPU:
        return set_cpu(fd, c->is_v2[which], limit);
    case CONTROLS_N:
        break;
    }
    return false;
}

uint64_t controls_oom_kills(const controls_t *c, int fd)
{
    char text[512];
    bool is_v2 = c->is_v2[CONTROL_MEMORY];
    if (fd < 0 || !proc_read_file(fd, is_v2 ? "memory.events" : "memory.oom_control", text, sizeof text))
        return 0;
    const char *at = strstr(text, "oom_kill ");
    return at ? strtoull(at + strlen("oom_kill "), NULL, 10) : 0;
}

/* ---- the guardian ---- */

void controls_pass_on(const controls_t *c, int dir_fd)
{
    for (int i = 0; i < CONTROLS_N; i++)
        if (c->is_v2[i])
            (void)pass_on(dir_fd, controllers[i]);
}

int controls_open_inner(const controls_t *c, int slot_fd)
{
    bool any_v2 = false;
    for (int i = 0; i < CONTROLS_N; i++)
        any_v2 = any_v2 || c->is_v2[i];
    if (!any_v2)
        return -1;
    controls_pass_on(c, slot_fd);
    return cgroup_make_dir(slot_fd, "supervisor");
}

void controls_remove_slot(const controls_t *c, const controls_place_t *place)
{
    char root[CGROUP_NAME_MAX], path[2 * CGROUP_NAME_MAX];
    cgroup_name_root(root, sizeof root, place->guardian);
    for (int i = 0; i < CONTROLS_N; i++)
        for (int k = 0; k < ENGINES_N && c->base_fds[i] >= 0 && !c->is_v2[i]; k++) {
            snprintf(path, sizeof path, "%s/slot-%" PRIu32 ".%" PRIu32 ".%s", root, place->slot, place->generation,
                     engines[k]);
            (void)unlinkat(c->base_fds[i], path, AT_REMOVEDIR);
        }
}

static void empty_folder(int root_fd, const char *name)
{
    char path[300], pids[8192], *save = NULL;
    snprintf(path, sizeof path, "%s/cgroup.procs", name);
    if (proc_read_file(root_fd, path, pids, sizeof pids))
        for (char *pid = strtok_r(pids, "\n", &save); pid; pid = strtok_r(NULL, "\n", &save))
            if (strtol(pid, NULL, 10) > 0)
                kill((pid_t)strtol(pid, NULL, 10), SIGKILL);
    (void)unlinkat(root_fd, name, AT_REMOVEDIR);
}

/* Kills what is in every folder of a guardian and removes it. Returns true if it is gone. */
static bool empty_root(int base_fd, const char *root)
{
    int root_fd = cgroup_open_dir(base_fd, root);
    if (root_fd < 0)
        return true;
    cgroup_each_folder(root_fd, "slot-", empty_folder);
    close(root_fd);
    return unlinkat(base_fd, root, AT_REMOVEDIR) == 0 || errno == ENOENT;
}

static void remove_root(int base_fd, const char *root)
{
    for (int turn = 0; turn < SWEEP_TURNS && !empty_root(base_fd, root); turn++)
        usleep(SWEEP_WAIT_US);
}

void controls_remove_all(const controls_t *c, pid_t guardian)
{
    char root[CGROUP_NAME_MAX];
    cgroup_name_root(root, sizeof root, guardian);
    for (int i = 0; i < CONTROLS_N; i++)
        if (c->base_fds[i] >= 0 && !c->is_v2[i])
            remove_root(c->base_fds[i], root);
}

static void sweep_folder(int base_fd, const char *name)
{
    if (cgroup_name_is_dead(name))
        remove_root(base_fd, name);
}

void controls_sweep(const controls_t *c)
{
    for (int i = 0; i < CONTROLS_N; i++)
        if (c->base_fds[i] >= 0 && !c->is_v2[i])
            cgroup_each_folder(c->base_fds[i], "fanmap-", sweep_folder);
}
