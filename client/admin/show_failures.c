#include "client/admin/show_failures.h"

#include <stdlib.h>

void *show_failures_new(void)
{
    return calloc(1, sizeof(show_failures_t));
}

void show_failures_add(void *arg, const outcome_t *outcome)
{
    show_failures_t *failures = arg;
    const fanmap_outcome_t *o = &failures->view.outcome;
    if (outcome->kind == FANMAP_VALUE)
        return;
    if (outcome_view_fill(&failures->view, outcome, NULL) == FANMAP_OK)
        failure_groups_add(&failures->groups, o->index, o->kind, o->type, o->message);
    else
        failures->groups.ungrouped++;
}

static void add_missing(show_failures_t *failures, const job_counts_t *counts)
{
    uint64_t n = list_counts(counts->list).total;
    for (uint64_t i = 0; i < n && list_now(counts->list)->known < n; i++)
        if (!list_has(counts->list, i))
            failure_groups_add(&failures->groups, i, counts->missing, "", "");
}

void show_failures_fill(show_failures_t *failures, const job_counts_t *counts, fanmap_show_t *show)
{
    const failure_group_t *sorted[FAILURE_GROUPS_MAX];
    if (counts->is_decided && !failures->has_missing)
        add_missing(failures, counts);
    failures->has_missing |= counts->is_decided;
    show->failures_n = failure_groups_sorted(&failures->groups, sorted);
    show->failures = failures->shown;
    show->failures_more = failures->groups.ungrouped;
    for (size_t i = 0; i < show->failures_n; i++)
        failures->shown[i] = (fanmap_failures_t){.group = sorted[i]->name,
                                                 .kind = sorted[i]->kind,
                                                 .type = sorted[i]->type,
                                                 .message = failure_message_of(sorted[i]->key),
                                                 .count = sorted[i]->count,
                                                 .first = sorted[i]->first,
                                                 .last = sorted[i]->last};
}

void show_failures_free(void *arg)
{
    show_failures_t *failures = arg;
    if (!failures)
        return;
    failure_groups_free(&failures->groups);
    outcome_view_free(&failures->view);
    free(failures);
}
