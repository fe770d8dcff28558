/* Task libraries in the process that runs them: loading, checking that a table is one we know, listing its names, and
 * finding every task of the plan. What is wrong with a library is told as text, for the worker's log. */
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "slots/host/host.h"
#include "slots/shared/task_user.h"

enum { TASKS_MAX = 4096, LIST_FD = 3 };

/* The i-th task of a table, whatever size its entries have. */
static const fanmap_task_t *library_task(const fanmap_task_table_t *table, uint32_t i)
{
    const char *first = (const char *)table->tasks;
    return (const fanmap_task_t *)(const void *)(first + (size_t)i * table->sizeof_task);
}

static bool check_table(const fanmap_task_table_t *t, char *why, size_t why_cap)
{
    if (t->abi != FANMAP_TASK_ABI) {
        snprintf(why, why_cap, "it was built for task ABI %u, this is %u: build it again with this fanmap/task.h",
                 t->abi, FANMAP_TASK_ABI);
        return false;
    }
    if (t->sizeof_task < sizeof(fanmap_task_t) || t->count > TASKS_MAX || (t->count > 0 && !t->tasks)) {
        snprintf(why, why_cap, "its fanmap_tasks is not a sound table");
        return false;
    }
    for (uint32_t i = 0; i < t->count; i++) {
        const fanmap_task_t *task = library_task(t, i);
        uint32_t shape = task->shape & ~(uint32_t)FANMAP_TASK_BATCH;
        if (!task->name || !task_name_valid(task->name) || !task->run || task->abi != FANMAP_TASK_ABI ||
            (shape != FANMAP_TASK_MSGPACK && shape != FANMAP_TASK_JSON && shape != FANMAP_TASK_BYTES)) {
            snprintf(why, why_cap, "task %u of its table has no valid name, shape, ABI or function", i);
            return false;
        }
    }
    return true;
}

/* Loads a library and checks its table. NULL: `why` says what is wrong. */
static const fanmap_task_table_t *library_load(const char *path, char *why, size_t why_cap)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    const char *said = library ? NULL : dlerror();
    if (!library) {
        snprintf(why, why_cap, "%s", said ? said : "it cannot be loaded");
        return NULL;
    }
    const fanmap_task_table_t *table = dlsym(library, "fanmap_tasks");
    if (!table) {
        snprintf(why, why_cap, "it has no task table; end one of its sources with FANMAP_TASKS({...})");
        return NULL;
    }
    return check_table(table, why, why_cap) ? table : NULL;
}

static bool become(const char *name, char *why, size_t why_cap)
{
    task_user_t user = {0};
    fanmap_error_t err;
    if (name && task_user_find(name, &user, &err) != FANMAP_OK)
        snprintf(why, why_cap, "%.380s", err.message);
    else if (!task_user_become(&user))
        snprintf(why, why_cap, "its user: %s", strerror(errno));
    return *why == '\0';
}

int library_list(const char *path, const char *user)
{
    char why[400] = "";
    const fanmap_task_table_t *table = become(user, why, sizeof why) ? library_load(path, why, sizeof why) : NULL;
    if (!table)
        dprintf(LIST_FD, "!%s\n", why);
    for (uint32_t i = 0; table && i < table->count; i++)
        dprintf(LIST_FD, "%s\n", library_task(table, i)->name);
    dprintf(LIST_FD, ".\n");
    return table ? 0 : 1;
}

static const fanmap_task_t *find_task(const fanmap_task_table_t *table, const char *name)
{
    for (uint32_t i = 0; i < table->count; i++)
        if (strcmp(library_task(table, i)->name, name) == 0)
            return library_task(table, i);
    return NULL;
}

/* dlopen gives the same library again when its path is the same: its table is read once for each task, which costs
 * nothing. */
static bool load_one(hosted_t *hosted, char *why, size_t why_cap)
{
    char reason[400];
    const slots_task_t *plan = hosted->plan;
    const fanmap_task_table_t *table = library_load(plan->library, reason, sizeof reason);
    hosted->task = table ? find_task(table, plan->name) : NULL;
    if (!table)
        snprintf(why, why_cap, "%.160s: %.300s", plan->library, reason);
    else if (!hosted->task)
        snprintf(why, why_cap, "%.160s no longer has the task %.63s", plan->library, plan->name);
    if (!hosted->task)
        return false;
    hosted->shape = hosted->task->shape & ~(uint32_t)FANMAP_TASK_BATCH;
    hosted->takes_calls = (hosted->task->shape & FANMAP_TASK_BATCH) != 0;
    return true;
}

bool library_load_all(host_t *h, char *why, size_t why_cap)
{
    h->tasks = calloc(h->plan.tasks_n + 1, sizeof *h->tasks);
    if (!h->tasks) {
        snprintf(why, why_cap, "no memory");
        return false;
    }
    for (uint32_t i = 0; i < h->plan.tasks_n; i++) {
        const slots_task_t *plan = &h->plan.tasks[i];
        if (plan->engine != TASK_SO)
            continue;
        h->tasks[h->tasks_n].plan = plan;
        if (!load_one(&h->tasks[h->tasks_n++], why, why_cap))
            return false;
    }
    return true;
}
