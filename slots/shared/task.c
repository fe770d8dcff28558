/* A task in the plan that the slots' processes read. */
#include "slots/shared/task.h"

#include <stdlib.h>

enum { TASK_FIELDS = 5 };

void slots_task_encode(buf_t *b, const slots_task_t *task)
{
    mp_put_array(b, TASK_FIELDS);
    mp_put_text(b, task->name);
    mp_put_uint(b, task->engine);
    mp_put_text(b, task->library ? task->library : "");
    words_encode(b, task->argv);
    terms_encode(b, &task->terms);
}

slots_task_t slots_task_decode(mp_reader_t *r)
{
    slots_task_t task = {0};
    r->bad = r->bad || mp_read_array(r) != TASK_FIELDS;
    mp_read_text(r, task.name, sizeof task.name);
    task.engine = (task_engine_t)mp_read_uint(r);
    task.library = text_decode(r);
    task.argv = (const char *const *)words_decode(r);
    task.terms = terms_decode(r);
    return task;
}

void slots_task_free(slots_task_t *task)
{
    free((void *)(uintptr_t)task->library);
    words_free((char **)(uintptr_t)task->argv);
    terms_free(&task->terms);
}
