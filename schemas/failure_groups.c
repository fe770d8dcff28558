#include "schemas/failure_groups.h"

#include <stdlib.h>
#include <string.h>

static failure_group_t *group_of(failure_groups_t *groups, const char *key, fanmap_kind_t kind, const char *type)
{
    failure_group_t *group;
    HASH_FIND_STR(groups->table, key, group);
    if (group || HASH_COUNT(groups->table) >= FAILURE_GROUPS_MAX || !(group = calloc(1, sizeof *group)))
        return group;
    memcpy(group->key, key, FAILURE_KEY_MAX);
    HASH_ADD_STR(groups->table, key, group);
    if (!table_added(group)) {
        free(group);
        return NULL;
    }
    failure_group(group->name, key);
    group->kind = kind;
    failure_copy(group->type, sizeof group->type, type);
    group->first = UINT64_MAX;
    return group;
}

void failure_groups_add(failure_groups_t *groups, uint64_t index, fanmap_kind_t kind, const char *type,
                        const char *message)
{
    char key[FAILURE_KEY_MAX];
    failure_key(key, kind, type, message);
    failure_group_t *group = group_of(groups, key, kind, type);
    if (!group) {
        groups->ungrouped++;
        return;
    }
    group->count++;
    group->first = index < group->first ? index : group->first;
    group->last = index > group->last ? index : group->last;
    if (group->samples_n < FAILURE_SAMPLES) {
        group->samples[group->samples_n].index = index;
        failure_copy(group->samples[group->samples_n++].message, FAILURE_MESSAGE_MAX, message);
    }
}

static int by_count(const failure_group_t *a, const failure_group_t *b)
{
    return a->count != b->count ? (a->count < b->count ? 1 : -1) : a->first < b->first ? -1 : a->first > b->first;
}

size_t failure_groups_sorted(const failure_groups_t *groups, const failure_group_t *ret[FAILURE_GROUPS_MAX])
{
    size_t n = 0;
    for (const failure_group_t *group = groups->table; group; group = group->hh.next) {
        size_t at = n++;
        for (; at > 0 && by_count(ret[at - 1], group) > 0; at--)
            ret[at] = ret[at - 1];
        ret[at] = group;
    }
    return n;
}

void failure_groups_free(failure_groups_t *groups)
{
    failure_group_t *group, *next;
    HASH_ITER(hh, groups->table, group, next)
    {
        HASH_DEL(groups->table, group);
        free(group);
    }
}
