#include "client/tasks/words_check.h"

#include <stdlib.h>

#include "base/text.h"
#include "slots/shared/placeholder.h"

static int check_placeholder(const placeholder_t *p, const char *at, const slots_task_t *task, const spec_t *spec,
                             bool has_names, fanmap_error_t *err)
{
    const uint8_t *mp;
    size_t len;
    bool is_container = task->terms.own_from > 0 && text_is(at, p->len, "{container}");
    if (p->kind == PLACE_NAME && !has_names && !task->terms.replace && !is_container &&
        !placeholder_find_bound(spec->bound, spec->bound_len, p->name, p->name_len, &mp, &len))
        return err_set(
            err, FANMAP_EUSAGE,
            "nothing fills %.*s: --bind %.*s=VALUE does; or name what stands for the item with -I, and it is text",
            (int)p->len, at, (int)p->name_len, p->name);
    if (p->kind == PLACE_PART && !p->is_optional && spec->sequences_n > 0 && (uint32_t)abs(p->part) > spec->sequences_n)
        return err_set(err, FANMAP_EUSAGE, "%.*s: the items have %u parts", (int)p->len, at, spec->sequences_n);
    return FANMAP_OK;
}

int words_check(const slots_task_t *task, const spec_t *spec, bool has_names, fanmap_error_t *err)
{
    placeholder_t p;
    int r = FANMAP_OK;
    for (uint32_t i = 0; task->engine == TASK_EXEC && task->argv[i]; i++)
        for (const char *at = task->argv[i]; *at && r == FANMAP_OK && (i != task->terms.script_at || i == 0); at++)
            if (placeholder_read(at, task->terms.replace, &p))
                r = check_placeholder(&p, at, task, spec, has_names, err);
    return r;
}
