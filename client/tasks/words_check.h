/* Whether a map can fill what stands in the words of a command. */
#ifndef CLIENT_TASKS_WORDS_CHECK_H
#define CLIENT_TASKS_WORDS_CHECK_H

#include "base/error.h"
#include "slots/shared/task.h"

/* FANMAP_EUSAGE names the placeholder that nothing fills: a name that is not bound, a part that zipped items do not
 * have. has_names: the items have names themselves. */
int words_check(const slots_task_t *task, const spec_t *spec, bool has_names, fanmap_error_t *err);

#endif
