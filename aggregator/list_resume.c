/* A list that is not read from its start. A position has its numbers as they were once everything before read_to had
 * been read; what it cannot have are the outcomes that waited then. So the log is read from the first of those. Up to
 * read_to nothing is counted, for it was: an outcome that was not handed out, and counted where it stands, is given out
 * again, and that is all. The numbers that change what counts (progress, input) are followed as they stood at each
 * record, so that the same outcome of an index is taken as the first time. When all are there, the list goes on as if
 * it had never been away; what is left of the log before read_to says nothing new.
 *
 * A position is text from outside. If its log has fewer of these outcomes, or the numbers do not add up, the list is a
 * misfit and its reader gives up. */
#include "aggregator/list_state.h"

#include <string.h>

static bool is_resuming(const list_t *list)
{
    return list->resume.left > 0;
}

void list_numbers(const list_t *list, position_t *ret)
{
    ret->list = is_resuming(list) ? list->resume.then : list->now;
    if (list->input_error)
        strncpy(ret->input_error, list->input_error, POSITION_ERROR_MAX);
}

/* Everything before read_to is known again. */
static void end_resuming(list_t *list)
{
    const position_list_t *then = &list->resume.then;
    list->now.prefix = then->prefix;
    list->now.total = then->total;
    if (then->state != LIST_OPEN)
        list_decide_as(list, (list_state_t)then->state, then->end_reason, then->decided_n);
    else
        list->resume.is_misfit = bitset_count(&list->known) != then->known ||
                                 bitset_next(&list->known, then->end, UINT64_MAX, true) != UINT64_MAX;
}

bool list_resume(list_t *list, const spec_t *spec, const position_t *position)
{
    const position_list_t *then = &position->list;
    list->spec = *spec;
    list->spec.bound = NULL;
    list->spec.bound_len = 0;
    list->start_offset = spec->start_offset;
    list->now = *then;
    list->now.state = LIST_OPEN; /* this, and the length, when everything before read_to is known again */
    list->now.total = -1;
    list->now.prefix = position->reread_prefix;
    list->given_n = then->known;
    if (position->input_error[0] && !(list->input_error = strdup(position->input_error)))
        return false;
    list->resume.then = *then;
    list->resume.left = position->waiting;
    list->resume.read_to = position->read_to;
    bitset_set_prefix(&list->known, position->kind == POSITION_ORDERED ? position->number : position->from);
    if (!position_given(position, &list->known))
        return false;
    if (!is_resuming(list))
        end_resuming(list);
    return !list->resume.is_misfit;
}

static bool give_out_again(list_t *list, joblog_record_t *record)
{
    outcome_t outcome;
    while (is_resuming(list) && joblog_next_outcome(record, &outcome)) {
        if (!list_outcome_valid(list, &outcome) || !bitset_set(&list->known, outcome.index))
            continue;
        list->resume.left--;
        list->callbacks.outcome(list->arg, &outcome);
    }
    list->out_of_memory |= list->known.failed;
    if (!is_resuming(list))
        end_resuming(list);
    return true;
}

bool list_resume_record(list_t *list, int64_t offset, joblog_record_t *record)
{
    if (!is_resuming(list))
        return true;
    bool has_input = list->now.input_at >= 0 && offset > list->now.input_at;
    list->now.total = has_input ? list->resume.then.total : -1;
    if (record->type == JOBLOG_PROGRESS)
        return list_fold_progress(list, &record->progress);
    return record->type != JOBLOG_OUTCOMES || give_out_again(list, record);
}

uint64_t list_resume_left(const list_t *list)
{
    return list->resume.left;
}

int64_t list_resume_end(const list_t *list)
{
    return list->resume.read_to;
}

bool list_has_prefix(const list_t *list, uint64_t n)
{
    return bitset_prefix(&list->known) >= n;
}

bool list_is_misfit(const list_t *list)
{
    return list->resume.is_misfit;
}
