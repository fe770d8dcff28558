#ifndef CLI_PART_LIST_H
#define CLI_PART_LIST_H

#include <stdbool.h>

#include "fanmap/fanmap.h"

/* A list of parts; zeroed is empty. */
typedef struct {
    fanmap_part_t *at;
    size_t n, cap;
} part_list_t;

/* False: no memory. */
bool part_list_add(part_list_t *parts, fanmap_part_t part);
void part_list_free(part_list_t *parts);

#endif
