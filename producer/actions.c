/* Actions and their values. The values of a step lie in one buffer, which may move as it grows; the actions get their
 * pointers when the step is over. */
#include <stdlib.h>

#include "base/array.h"
#include "producer/state.h"

enum { ACTIONS_MIN = 16 };

void producer_actions_clear(producer_actions_t *actions)
{
    actions->n = 0;
}

void producer_actions_free(producer_actions_t *actions)
{
    free(actions->at);
    *actions = (producer_actions_t){0};
}

void actions_begin(producer_t *p, producer_actions_t *actions)
{
    p->actions = actions;
    p->actions_before = actions->n;
    buf_clear(&p->values);
    p->values_used = 0;
}

/* The values lie one behind the other, in the order of the actions; only now do they stay where they are. */
void actions_end(producer_t *p)
{
    producer_actions_t *actions = p->actions;
    if (p->values.failed || p->out_of_memory)
        actions->failed = true;
    const uint8_t *value = p->values.data;
    for (size_t i = p->actions_before; i < actions->n && !actions->failed; i++) {
        actions->at[i].value = value;
        value += actions->at[i].value_len;
    }
    p->actions = NULL;
}

producer_action_t *actions_add(producer_t *p, producer_action_type_t type)
{
    producer_actions_t *actions = p->actions;
    if (!array_has_room(actions->at, actions->n, actions->cap, ACTIONS_MIN)) {
        p->out_of_memory = true;
        return NULL;
    }
    producer_action_t *action = &actions->at[actions->n++];
    action->type = type;
    action->cookie = 0;
    action->partition = -1;
    action->key[0] = '\0';
    action->value = NULL;
    action->value_len = p->values.len - p->values_used;
    p->values_used = p->values.len;
    action->error.code = FANMAP_OK;
    return action;
}

static producer_action_t *add_with_cookie(producer_t *p, producer_action_type_t type, record_kind_t what,
                                          uint64_t number)
{
    producer_action_t *action = actions_add(p, type);
    if (action)
        action->cookie = number << RECORD_BITS | (uint64_t)what;
    return action;
}

void actions_put_log(producer_t *p, record_kind_t what, uint64_t number)
{
    add_with_cookie(p, PRODUCER_PUT_LOG, what, number);
}

void actions_put_jobs(producer_t *p, record_kind_t what, jobs_field_t field)
{
    producer_action_t *action = add_with_cookie(p, PRODUCER_PUT_JOBS, what, 0);
    if (action)
        jobs_key(action->key, sizeof action->key, p->config.spec.job, field);
}

void actions_fail(producer_t *p, const fanmap_error_t *error)
{
    p->phase = PHASE_OVER;
    producer_action_t *action = actions_add(p, PRODUCER_FAILED);
    if (action)
        action->error = *error;
}
