/* One task as the worker's operator named it. */
#ifndef SLOTS_SHARED_TASK_H
#define SLOTS_SHARED_TASK_H

#include "schemas/spec.h"
#include "slots/shared/terms.h"

/* A function of a shared object, a command per item, or a program that is started once per slot and served items. */
typedef enum { TASK_SO, TASK_EXEC, TASK_SERVE } task_engine_t;

/* One task that this worker serves. */
typedef struct {
    char name[TASK_NAME_MAX + 1];
    task_engine_t engine;
    const char *library;     /* TASK_SO: path */
    const char *const *argv; /* TASK_EXEC: NULL-terminated, may hold {}; TASK_SERVE: taken as it is */
    terms_t terms;
} slots_task_t;

void slots_task_encode(buf_t *b, const slots_task_t *task);
/* What cannot be read makes r->bad. What is returned is the caller's, to free. */
slots_task_t slots_task_decode(mp_reader_t *r);
void slots_task_free(slots_task_t *task);

#endif
