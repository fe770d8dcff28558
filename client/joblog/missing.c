#include "client/joblog/missing.h"

#include <stdio.h>
#include <string.h>

uint64_t missing_published(const list_t *list)
{
    int64_t n = list_input_n(list);
    uint64_t prefix = list_now(list)->prefix;
    return n > 0 && (uint64_t)n > prefix ? (uint64_t)n : prefix;
}

uint64_t missing_next(const list_t *list, const bitset_t *records, uint64_t i, uint64_t end)
{
    while (i < end && (list_has(list, i) || bitset_test(records, i)))
        i++;
    return i;
}

uint64_t missing_count(const list_t *list, const bitset_t *records, uint64_t end)
{
    uint64_t n = 0;
    for (uint64_t i = missing_next(list, records, 0, end); i < end; i = missing_next(list, records, i + 1, end))
        n++;
    return n;
}

bool missing_confirm(const missing_t *before, missing_t *now, const char *job, uint64_t known, uint64_t missing)
{
    for (size_t i = 0; i < before->seen_n; i++)
        if (strcmp(before->seen[i].job, job) == 0 && before->seen[i].known == known &&
            before->seen[i].missing == missing)
            return true;
    if (now->seen_n < MISSING_SEEN_MAX) {
        (void)snprintf(now->seen[now->seen_n].job, sizeof now->seen[0].job, "%s", job);
        now->seen[now->seen_n].known = known;
        now->seen[now->seen_n++].missing = missing;
    }
    return false;
}
