/* Whom attempts run as, where that is not the worker's own user (--task-user). It is looked up once, by the worker; what
 * starts attempts becomes it between fork and exec. */
#ifndef SLOTS_SHARED_TASK_USER_H
#define SLOTS_SHARED_TASK_USER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "schemas/mp.h"

enum { TASK_USER_GROUPS_MAX = 64, TASK_USER_VARIABLES = 3, TASK_USER_TEXT_MAX = 320 };

/* Zeroed: nobody else. */
typedef struct {
    bool is_set;
    uid_t uid;
    gid_t gid, groups[TASK_USER_GROUPS_MAX];
    uint32_t groups_n;
    char env[TASK_USER_VARIABLES][TASK_USER_TEXT_MAX]; /* HOME, USER, LOGNAME */
} task_user_t;

/* FANMAP_EUSAGE: there is no such user, it is root, or this process is not root and may not become anybody. */
int task_user_find(const char *name, task_user_t *ret, fanmap_error_t *err);
/* Becomes it for good: groups, ids, and by that no capabilities. False with errno. In a child between vfork and exec: what
 * it shares with its parent, who is not dumpable, stays closed to that user. */
bool task_user_become(const task_user_t *user);
/* Whether that user may run a program, or enter a folder; for an ordinary process. */
bool task_user_may_run(const task_user_t *user, const char *path);
/* A pipe that a task may open anew by its name in /proc. */
void task_user_own(const task_user_t *user, int fd);

void task_user_encode(buf_t *b, const task_user_t *user);
/* What cannot be read makes r->bad. */
task_user_t task_user_decode(mp_reader_t *r);

#endif
