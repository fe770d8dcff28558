/* What sets our own processes apart from what they start. Worker, guardian and supervisor may not be looked into by
 * others of their user and leave no cores; attempts have the ordinary settings, but no way to new privileges. */
#ifndef SLOTS_SHARED_CHILD_H
#define SLOTS_SHARED_CHILD_H

#include <stdbool.h>
#include <stdint.h>

#include "slots/shared/task_user.h"

/* Soft limits as they were before ours were changed, UINT64_MAX being none; and who attempts are. */
typedef struct {
    uint64_t core_bytes, files_n;
    bool may_gain; /* setuid programs work */
    task_user_t user;
} ordinary_t;

/* Of this process; no other user. */
ordinary_t ordinary_now(void);
/* Raises the soft limit of open files to `wanted`. False: the hard one is lower, *ret_hard. */
bool files_raise(uint64_t wanted, uint64_t *ret_hard);
/* For guardian and supervisor, first of all: not dumpable, no cores. */
void child_harden(void);

/* In a child between vfork and exec: a group of its own, no signal blocked, gone with its parent, ordinary limits. */
void child_begin(const ordinary_t *ordinary);
/* Behind it, when everything is done that only we may do: the user of attempts. False with errno. */
bool child_become(const ordinary_t *ordinary);

#endif
