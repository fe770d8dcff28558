/* Folders of cgroup v2, the guardian's and one for each life of a slot: making, killing, freezing and removing them. What dead
 * guardians left is removed at the next start. */
#include "slots/shared/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "slots/shared/proc.h"

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
    proc_close_fd(&root->dir_fd);
    proc_close_fd(&root->base_fd);
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
    proc_close_fd(&probe);
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
    return cgroup_make_dir(root->dir_fd, name);
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
    return proc_read_file(slot_fd, "cgroup.events", text, sizeof text) && strstr(text, "populated 0") != NULL;
}
