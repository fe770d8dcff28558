#include "client/mapping/retry_choice.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int by_from(const void *left, const void *right)
{
    const index_range_t *a = left, *b = right;
    return a->from != b->from ? (a->from < b->from ? -1 : 1) : 0;
}

/* Sorts, and makes one of those that overlap or touch. */
static size_t make_apart(index_range_t *ranges, size_t n)
{
    size_t kept = 0;
    qsort(ranges, n, sizeof *ranges, by_from);
    for (size_t i = 1; i < n; i++) {
        if (ranges[i].from > ranges[kept].to && ranges[i].from - ranges[kept].to > 1)
            ranges[++kept] = ranges[i];
        else if (ranges[i].to > ranges[kept].to)
            ranges[kept].to = ranges[i].to;
    }
    return kept + 1;
}

static bool read_index(const char **at, uint64_t *ret)
{
    char *end;
    errno = 0;
    if (**at < '0' || **at > '9')
        return false;
    *ret = strtoull(*at, &end, 10);
    *at = end;
    return errno == 0;
}

static bool read_range(const char **at, index_range_t *ret)
{
    if (!read_index(at, &ret->from))
        return false;
    ret->to = ret->from;
    if (**at == '-') {
        ++*at;
        if (!read_index(at, &ret->to))
            return false;
    }
    return ret->to >= ret->from;
}

static int read_ranges(const char *text, retry_choice_t *choice, fanmap_error_t *err)
{
    size_t n = 1;
    for (const char *comma = text; (comma = strchr(comma, ',')) != NULL; comma++)
        n++;
    index_range_t *ranges = calloc(n, sizeof *ranges);
    if (!ranges)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    const char *at = text;
    for (size_t i = 0; i < n; i++) {
        if (!read_range(&at, &ranges[i]) || *at != (i + 1 < n ? ',' : '\0')) {
            free(ranges);
            return err_set(err, FANMAP_EUSAGE,
                           "--retry-items: want indexes from 0 on, N or N-M, comma-separated: \"%.40s\"", text);
        }
        at++;
    }
    choice->ranges = ranges;
    choice->ranges_n = make_apart(ranges, n);
    return FANMAP_OK;
}

int retry_choice_read(const char *group, const char *items, retry_choice_t *ret, fanmap_error_t *err)
{
    retry_choice_t choice = {0};
    if (group && !failure_group_valid(group))
        return err_set(err, FANMAP_EUSAGE,
                       "--retry-group: \"%.40s\" is no group of failures: %d hexadecimal digits, as "
                       "fanmap show names them",
                       group, FAILURE_GROUP_LEN);
    if (group)
        memcpy(choice.group, group, sizeof choice.group);
    int r = items ? read_ranges(items, &choice, err) : FANMAP_OK;
    if (r == FANMAP_OK)
        *ret = choice;
    return r;
}

bool retry_choice_is_all(const retry_choice_t *choice)
{
    return !choice->group[0] && !choice->ranges;
}

static int against_range(const void *index, const void *element)
{
    const index_range_t *range = element;
    uint64_t i = *(const uint64_t *)index;
    return i < range->from ? -1 : i > range->to;
}

bool retry_choice_has(const retry_choice_t *choice, uint64_t index, fanmap_kind_t kind, const char *type,
                      const char *message)
{
    char key[FAILURE_KEY_MAX], group[FAILURE_GROUP_LEN + 1];
    if (choice->ranges && !bsearch(&index, choice->ranges, choice->ranges_n, sizeof *choice->ranges, against_range))
        return false;
    if (!choice->group[0])
        return true;
    failure_key(key, kind, type, message);
    failure_group(group, key);
    return strcmp(group, choice->group) == 0;
}

void retry_choice_free(retry_choice_t *choice)
{
    free(choice->ranges);
}
