/* What sets our own processes apart from what they start. Worker, guardian and supervisor may not be looked into by
 * others of their user and leave no cores; attempts have the ordinary settings, but no way to new privileges. */
#ifndef SLOTS_SHARED_CHILD_H
#define SLOTS_SHARED_CHILD_H

#include <stdbool.h>
#include <stdint.h>

#include "slots/shared/task_user.h"
#include "slots/shared/terms.h"

/* Soft limits as they were before ours were changed, UINT64_MAX being none; and who attempts are. */
typedef struct {
    uint64_t core_bytes, files_n;
    bool may_gain; /* setuid programs work */
    task_user_t user;
} ordinary_t;

/* Of this process; no other user. */
ordinary_t ordinary_now(void);
/* Raises the soft limit of open files to `wanted`. Returns false if the hard one, *ret_hard, is lower. */
bool files_raise(uint64_t wanted, uint64_t *ret_hard);
/* For guardian and supervisor, first of all: not dumpable, no cores. */
void child_harden(void);

/* A process to be started: what runs in it, and on what terms. */
typedef struct {
    const char *path;               /* NULL: argv[0], looked up in PATH */
    char *const *argv, *const *env; /* env NULL: this process's own */
    const int *fds; /* become 0, 1, 2, ...; one that has its number already is kept open, -1 leaves what is there */
    unsigned fds_n;
    const ordinary_t *ordinary;
    const terms_t *terms;               /* for nice and workdir; NULL: neither */
    bool (*limit)(const void *limiter); /* called in the child, puts limits on it; NULL: none. False with errno */
    const void *limiter;
} child_t;

/* Starts it by vfork: in a process group of its own, with no signal blocked, gone with its parent, and as the user of
 * attempts. 0, or an errno. *ret_pid is the child, which is there to be reaped even if nothing could be run in it; -1: none. */
int child_start(const child_t *child, pid_t *ret_pid);
/* In a child, when everything is done that only we may do: becomes the user of attempts. False with errno. */
bool child_become(const ordinary_t *ordinary);

#endif
