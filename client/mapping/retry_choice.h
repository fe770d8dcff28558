/* Which of a job's failed items a second try runs: all, one group of failures, or listed indexes. Pure. */
#ifndef CLIENT_MAPPING_RETRY_CHOICE_H
#define CLIENT_MAPPING_RETRY_CHOICE_H

#include "base/error.h"
#include "schemas/failure_group.h"

typedef struct {
    uint64_t from, to; /* both in */
} index_range_t;

/* Zeroed: everything is chosen. */
typedef struct {
    char group[FAILURE_GROUP_LEN + 1]; /* "": whatever its group */
    index_range_t *ranges;             /* NULL: whatever its index; sorted, apart from each other */
    size_t ranges_n;
} retry_choice_t;

/* From the texts of --retry-group and --retry-items (N or N-M, comma-separated); NULL: not given. */
int retry_choice_read(const char *group, const char *items, retry_choice_t *ret, fanmap_error_t *err);
bool retry_choice_is_all(const retry_choice_t *choice);
/* The failure of an item; `type` and `message` are UTF-8. */
bool retry_choice_has(const retry_choice_t *choice, uint64_t index, fanmap_kind_t kind, const char *type,
                      const char *message);
void retry_choice_free(retry_choice_t *choice);

#endif
