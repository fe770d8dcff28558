/* GET /v1/tasks: what can be run, by the rows of the workers: each task of each queue, and who serves it. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/error.h"
#include "base/text.h"
#include "schemas/value.h"
#include "serve/handlers.h"
#include "serve/json_query.h"

enum { TASKS_MAX = 10000, NAME_BYTES = 64 };

typedef struct {
    char task[NAME_BYTES], queue[NAME_BYTES];
    uint64_t workers, slots, running;
} task_t;

typedef struct {
    task_t *at;
    size_t n, cap;
    bool failed;
} tasks_t;

static task_t *find(tasks_t *tasks, const char *name, size_t len, const char *queue)
{
    for (size_t i = 0; i < tasks->n; i++)
        if (text_is(name, len, tasks->at[i].task) && strcmp(tasks->at[i].queue, queue) == 0)
            return &tasks->at[i];
    if (len == 0 || len >= NAME_BYTES || strlen(queue) >= NAME_BYTES || tasks->n == TASKS_MAX)
        return NULL;
    tasks->failed |= !array_has_room(tasks->at, tasks->n, tasks->cap, 16);
    if (tasks->failed)
        return NULL;
    task_t *at = &tasks->at[tasks->n++];
    *at = (task_t){0};
    memcpy(at->task, name, len);
    memcpy(at->queue, queue, strlen(queue));
    return at;
}

static void add_worker(void *arg, const fanmap_worker_info_t *worker)
{
    tasks_t *tasks = arg;
    for (const char *name = worker->tasks; *name;) {
        size_t len = strcspn(name, ",");
        task_t *task = find(tasks, name, len, worker->queue);
        if (task) {
            task->workers++;
            task->slots += worker->slots;
            task->running += worker->running;
        }
        name += len + (name[len] == ',');
    }
}

static int by_name(const void *a, const void *b)
{
    const task_t *one = a, *other = b;
    int order = strcmp(one->queue, other->queue);
    return order != 0 ? order : strcmp(one->task, other->task);
}

static void put_task(buf_t *out, const task_t *task)
{
    json_query_begin_object(out);
    buf_append_text(out, "{\"task\":");
    json_put_string(out, task->task, strlen(task->task));
    buf_append_text(out, ",\"queue\":");
    json_put_string(out, task->queue, strlen(task->queue));
    buf_printf(out, ",\"workers\":%" PRIu64 ",\"slots\":%" PRIu64 ",\"running\":%" PRIu64 "}", task->workers,
               task->slots, task->running);
}

static int ask_tasks(query_t *q, fanmap_t *f, fanmap_error_t *err)
{
    tasks_t tasks = {0};
    int r = fanmap_workers(f, QUERY_TIMEOUT_MS, add_worker, &tasks, err);
    if (tasks.n > 0)
        qsort(tasks.at, tasks.n, sizeof *tasks.at, by_name);
    buf_t *out = json_query_begin_list(q, "tasks");
    for (size_t i = 0; i < tasks.n; i++)
        put_task(out, &tasks.at[i]);
    if (r == FANMAP_OK && tasks.failed)
        r = err_set(err, FANMAP_ENOMEM, "out of memory");
    free(tasks.at);
    return json_query_end_list(q, r);
}

void list_tasks(connection_t *c)
{
    query_t *q = json_query_begin(c, ask_tasks);
    if (q)
        json_query_send(c, q);
}
