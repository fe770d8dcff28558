/* Containers by their names, for runtimes that leave them behind when their client is killed: the operator's own
 * command lines end one and list those that there are. */
#ifndef SLOTS_SHARED_CONTAINER_H
#define SLOTS_SHARED_CONTAINER_H

#include <sys/types.h>

#include "slots/shared/plan.h"

enum { CONTAINER_NAME_MAX = 128, CONTAINER_WAIT_MS = 10000 };

/* fanmap-PIDNS-GUARDIAN-SLOT-LIFE-N: of run n of a slot. */
void container_name(char *ret, size_t cap, pid_t guardian, uint32_t slot, uint32_t generation, uint32_t n);
/* Starts the task's kill_argv for a container, as the user that attempts are. The process is the caller's to reap. -1 with errno. */
pid_t container_kill_start(const slots_task_t *task, const char *name, const ordinary_t *ordinary);
/* The same, waited for, at most CONTAINER_WAIT_MS. Not where other children are waited for at the same time. */
void container_kill(const slots_task_t *task, const char *name, const ordinary_t *ordinary);
/* Ends what dead guardians of this pid namespace left behind, for every task with a list_argv. May take a while. */
void container_sweep(const plan_t *plan);

#endif
