/* The failures of a job in groups, as they come, in whatever order: how many, first and last, and a few samples. Pure and
 * bounded: what is of none of the first FAILURE_GROUPS_MAX groups is only counted. */
#ifndef SCHEMAS_FAILURE_GROUPS_H
#define SCHEMAS_FAILURE_GROUPS_H

#include "base/table.h"
#include "schemas/failure_group.h"

enum { FAILURE_GROUPS_MAX = 200, FAILURE_SAMPLES = 3 };

typedef struct {
    char key[FAILURE_KEY_MAX]; /* kind, type and the message without its details */
    char name[FAILURE_GROUP_LEN + 1];
    fanmap_kind_t kind;
    char type[FAILURE_TYPE_MAX];
    uint64_t count, first, last;
    unsigned samples_n;
    struct {
        uint64_t index;
        char message[FAILURE_MESSAGE_MAX];
    } samples[FAILURE_SAMPLES];
    UT_hash_handle hh;
} failure_group_t;

/* Zeroed is empty. */
typedef struct {
    failure_group_t *table;
    uint64_t ungrouped;
} failure_groups_t;

/* Each index once. */
void failure_groups_add(failure_groups_t *groups, uint64_t index, fanmap_kind_t kind, const char *type,
                        const char *message);
/* The largest first; returns how many there are. Borrowed until the next is added. */
size_t failure_groups_sorted(const failure_groups_t *groups, const failure_group_t *ret[FAILURE_GROUPS_MAX]);
void failure_groups_free(failure_groups_t *groups);

#endif
