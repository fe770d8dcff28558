/* Where limits of memory, processes and processors can be kept for all of an attempt: cgroup folders with controllers.
 *
 *   v2  BASE/fanmap-PIDNS-GUARDIAN/slot-N.LIFE/{supervisor,ENGINE}   where the controller may be passed on to the
 *                                                                    children of BASE
 *   v1  BASE/fanmap-PIDNS-GUARDIAN/slot-N.LIFE.ENGINE                in the controller's own hierarchy
 *
 * Each controller is looked for by itself. Only what an attempt starts is in an ENGINE folder, never the supervisor:
 * nothing that goes wrong in one can hit it. Folders are made when a limit is first needed there.
 */
#ifndef SLOTS_SHARED_CONTROLS_H
#define SLOTS_SHARED_CONTROLS_H

#include "slots/shared/terms.h"

#include <sys/types.h>

typedef enum { CONTROL_MEMORY, CONTROL_PROCESSES, CONTROL_CPU, CONTROLS_N } control_t;
typedef enum { ENGINE_COMMAND, ENGINE_HOST, ENGINE_SERVE, ENGINES_N } engine_folder_t;

typedef struct {
    int base_fds[CONTROLS_N]; /* -1: this controller cannot be used here */
    bool is_v2[CONTROLS_N];
    bool is_found;
} controls_t;

/* Which life of which slot. */
typedef struct {
    pid_t guardian;
    uint32_t slot, generation;
} controls_place_t;

enum { CONTROLS_TEXT_MAX = 160 };

/* Finds out what can be used here; never fails. Not `allowed`: nothing. `guardian`: the one that started this process;
 * 0 for others. */
void controls_find(controls_t *c, bool allowed, pid_t guardian);
/* For the worker, before anything else: makes it possible to pass v2 controllers on, where it is alone in a cgroup of
 * its own. */
void controls_make_room(void);
void controls_close(controls_t *c);
/* One line for the start-up log: what keeps which limit. Returns `ret`. */
char *controls_format(char *ret, size_t cap, const controls_t *c);
/* Returns false if nothing here keeps one of these limits, which *ret_name names. */
bool controls_can_keep(const controls_t *c, const limits_t *limits, const char **ret_name);

/* Opens the folder of an engine, close-on-exec, and makes it where it is missing. -1 with errno. */
int controls_open(const controls_t *c, control_t which, const controls_place_t *place, engine_folder_t engine);
/* Sets a limit in such a folder; 0: none. Returns false if it was refused, with errno. */
bool controls_set(const controls_t *c, control_t which, int folder_fd, uint64_t limit);
/* How many processes in the folder of memory were killed for going over the limit, ever. */
uint64_t controls_oom_kills(const controls_t *c, int folder_fd);

/* ---- the guardian ---- */

/* Passes v2 controllers on to the folders in the guardian's own. */
void controls_pass_on(const controls_t *c, int dir_fd);
/* Where in a slot's folder its supervisor goes: with v2 controllers, in one of its own beside the engines'. -1: into
 * the slot's. */
int controls_open_inner(const controls_t *c, int slot_fd);
/* Removes what a life of a slot, or the guardian, had in v1 hierarchies; nothing lives there any more. */
void controls_remove_slot(const controls_t *c, const controls_place_t *place);
void controls_remove_all(const controls_t *c, pid_t guardian);
/* Kills what dead guardians of this pid namespace left behind in v1 hierarchies, and removes the folders. */
void controls_sweep(const controls_t *c);

#endif
