/* What guardian, supervisors and hosts are told once, at their start: a memfd that each of them inherits and reads. It
 * lists every task that the worker's operator named; nothing that comes later can add to it.
 */
#ifndef SLOTS_SHARED_PLAN_H
#define SLOTS_SHARED_PLAN_H

#include "slots/shared/child.h"
#include "slots/shared/task.h"

typedef struct {
    uint32_t slots_n, session_ms;
    uint32_t start_timeout_ms; /* of a served program, until it is ready */
    uint32_t bye_ms;           /* from bye until what has not ended is killed */
    uint32_t lasts_ms;         /* a served run that takes longer gives back what was told behind it */
    ordinary_t ordinary;       /* what attempts get and our own processes do not keep */
    bool use_cgroups;
    char *libexec; /* the folder of fanmap-guardian, fanmap-supervisor and fanmap-host */
    slots_task_t *tasks;
    uint32_t tasks_n;
} plan_t;

enum { PLAN_VERSION = 1, PLAN_TASKS_MAX = 65536 };

/* A close-on-exec memfd that holds the plan, sealed: nobody can change it any more. -1 with errno. */
int plan_write(const plan_t *plan);
/* Returns false if it is not a sound plan, or memory runs out; *ret is then untouched. The strings are the plan's own. */
bool plan_read(int fd, plan_t *ret);
void plan_free(plan_t *plan);
/* NULL: no such task. */
const slots_task_t *plan_find(const plan_t *plan, const char *name, size_t len);

#endif
