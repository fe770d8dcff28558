/* A cgroup v2 folder a slot, where this process may make one: it can end or freeze everything in it in one step,
 * whatever sessions and parents the processes gave themselves. It needs no controllers, so that hybrid hosts will do.
 *
 *   BASE/fanmap-PIDNS-PID/slot-N.GENERATION      PID: of the guardian; PIDNS: its pid namespace
 */
#ifndef SLOTS_SHARED_CGROUP_H
#define SLOTS_SHARED_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct {
    int dir_fd;     /* of the guardian's folder; -1: no cgroups here */
    int base_fd;    /* the folder it is in */
    char name[64];  /* of the guardian's folder */
    char text[320]; /* what was found, for the log */
    bool can_kill, can_freeze;
} cgroup_root_t;

/* Finds out what can be done here, removes what dead guardians of this pid namespace left behind (killing what is in
 * it) and makes the folder of guardian `pid`. Never fails: without cgroups, or without `allowed`, dir_fd is -1. */
void cgroup_root_open(cgroup_root_t *root, pid_t pid, bool allowed);
/* Opens the folder of guardian `pid` as it is: for whoever cleans up after it. */
bool cgroup_root_find(cgroup_root_t *root, pid_t pid);
/* Kills everything in every folder of the root; repeat until cgroup_root_remove succeeds. */
void cgroup_root_kill(const cgroup_root_t *root);
/* Removes the folder and its slots; false while something lives in them. */
bool cgroup_root_remove(cgroup_root_t *root);
void cgroup_root_close(cgroup_root_t *root);

/* The folder of one life of a slot, close-on-exec; -1: none. */
int cgroup_slot_make(const cgroup_root_t *root, uint32_t slot, uint32_t generation);
/* Moves the calling process in. */
bool cgroup_enter(int slot_fd);
bool cgroup_kill(int slot_fd);
bool cgroup_freeze(int slot_fd, bool freeze);
bool cgroup_is_empty(int slot_fd);
void cgroup_slot_remove(const cgroup_root_t *root, uint32_t slot, uint32_t generation);

/* ---- cgroup_place.c: where cgroups are; also for controls.c, which has the same folders in other hierarchies ---- */

enum { CGROUP_NAME_MAX = 64 };
bool cgroup_write(int dir_fd, const char *name, const char *text);
int cgroup_open_dir(int at_fd, const char *name);
/* The same, and makes it where it is missing. -1 with errno. */
int cgroup_make_dir(int at_fd, const char *name);
typedef void (*cgroup_folder_fn)(int parent_fd, const char *name);
/* Each folder in it whose name begins with `prefix`. */
void cgroup_each_folder(int dir_fd, const char *prefix, cgroup_folder_fn fn);
bool cgroup_has_word(const char *words, const char *word, const char *separators);
/* Where the v1 hierarchy of a controller is mounted (NULL: that of v2), and which of its folders the mount shows. */
bool cgroup_find_mount(const char *controller, char *mount, char *root, size_t cap);
/* The path of this process in it. */
bool cgroup_find_own(const char *controller, char *ret, size_t cap);
/* The folder of cgroup v2 that this process is in, without those that we made ourselves: `guardian` is the one that
 * started this process, 0 for others. -1: none. Writes its path. */
int cgroup_open_base(char *path, size_t cap, pid_t guardian);
/* Controllers can be passed on to the children of a folder only while no process is in it: moves this process into a
 * folder of its own there, if it is the only one (a service of its own whose cgroup was delegated to it). */
void cgroup_move_aside(int base_fd);
/* The name of a guardian's folder, of at most CGROUP_NAME_MAX. */
void cgroup_name_root(char *ret, size_t cap, pid_t guardian);
/* A guardian of this pid namespace had such a folder, and is dead. */
bool cgroup_name_is_dead(const char *name);

#endif
