#include "cli/part_list.h"

#include <stdlib.h>

#include "base/array.h"

bool part_list_add(part_list_t *parts, fanmap_part_t part)
{
    if (!array_has_room(parts->at, parts->n, parts->cap, 16))
        return false;
    parts->at[parts->n++] = part;
    return true;
}

void part_list_free(part_list_t *parts)
{
    free(parts->at);
    *parts = (part_list_t){0};
}
