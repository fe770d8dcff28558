/* Keeps the limits of what one engine of the slot runs: by cgroups where there are controllers
 * (slots/shared/controls.h), else by rlimits. Commands enter before their exec; a process that lives on is put in from
 * outside. */
#ifndef SLOTS_SUPERVISOR_LIMITER_H
#define SLOTS_SUPERVISOR_LIMITER_H

#include <sys/resource.h>

#include "slots/shared/child.h"
#include "slots/shared/controls.h"

enum { LIMITER_RLIMITS_MAX = 6 };

typedef struct {
    controls_t *controls;       /* of the supervisor; found when a limit is first needed */
    bool use_cgroups, was_used; /* was_used: limits were in force once */
    controls_place_t place;
    engine_folder_t engine;
    const ordinary_t *ordinary;
    int folder_fds[CONTROLS_N], procs_fds[CONTROLS_N]; /* of what was limited once; -1 */
    limits_t limits;                                   /* in force */
    uint64_t oom_kills;
    struct {
        __rlimit_resource_t resource;
        rlim_t value;
    } rlimits[LIMITER_RLIMITS_MAX]; /* in force */
    unsigned rlimits_n;
} limiter_t;

void limiter_init(limiter_t *l, controls_t *controls, bool use_cgroups, const controls_place_t *place,
                  engine_folder_t engine, const ordinary_t *ordinary);
/* From now on these limits are in force. Returns false if one cannot be kept; `why` says which. */
bool limiter_set(limiter_t *l, const limits_t *limits, char *why, size_t cap);
/* As a child's `limit` (slots/shared/child.h). */
bool limiter_enter(const void *limiter);
/* The same without rlimits, for a program that lives on; limiter_put follows. */
bool limiter_enter_folders(const void *limiter);
/* Limits a process of ours that lives on, after each limiter_set; its soft limits alone, for they may rise again. */
bool limiter_put(const limiter_t *l, pid_t pid);
/* Something was killed for going over the memory limit since the last call. */
bool limiter_saw_oom(limiter_t *l);

#endif
