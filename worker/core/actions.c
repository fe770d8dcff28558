/* What a step says: actions, appended to the list that the shell carries out. */
#include "worker/core/state.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/array.h"

bool actions_grow(worker_t *w)
{
    worker_actions_t *a = w->actions;
    bool has_room = array_has_room(a->at, a->n, a->cap, 64);
    w->failed |= !has_room;
    return has_room;
}

static __attribute__((format(printf, 4, 0))) void put_note(worker_t *w, fanmap_log_level_t level, int32_t lane,
                                                           const char *format, va_list args)
{
    worker_action_t *action = act(w, WORKER_NOTE);
    if (action == NULL)
        return;
    action->note.level = level;
    action->note.lane = lane;
    vsnprintf(action->note.line, sizeof action->note.line, format, args);
}

void note(worker_t *w, fanmap_log_level_t level, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    put_note(w, level, -1, format, args);
    va_end(args);
}

void note_part(worker_t *w, fanmap_log_level_t level, const worker_part_t *part, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    put_note(w, level, part->number, format, args);
    va_end(args);
}

void worker_actions_clear(worker_actions_t *actions)
{
    enum { KEEP = 8192 };
    if (actions->cap > KEEP) {
        worker_action_t *at = realloc(actions->at, KEEP * sizeof *at);
        if (at != NULL) {
            actions->at = at;
            actions->cap = KEEP;
        }
    }
    actions->n = 0;
}

void worker_actions_free(worker_actions_t *actions)
{
    free(actions->at);
    *actions = (worker_actions_t){0};
}
