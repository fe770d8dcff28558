#include "aggregator/gatherer.h"

#include <stdlib.h>

#include "base/array.h"

struct gatherer {
    gatherer_config_t config;
    gather_lane_t *lanes;
    gatherer_actions_t *actions; /* of the present step */
    uint32_t lane;               /* of the pack at hand */
    uint64_t generation;
    int64_t now_ms, commit_ms; /* when the transaction is to be committed; INT64_MAX: there is none */
    int64_t asked_ms;          /* when the last one was */
    int64_t took_ms;           /* commits, the slower ones lately */
    uint64_t records_n;        /* in it */
    bool is_committing;
    bool failed;
};

void gatherer_actions_free(gatherer_actions_t *actions)
{
    free(actions->at);
    *actions = (gatherer_actions_t){0};
}

static gatherer_action_t *add_action(gatherer_t *g, gatherer_action_type_t type)
{
    gatherer_actions_t *actions = g->actions;
    if (!array_has_room(actions->at, actions->n, actions->cap, 64)) {
        g->failed = true;
        return NULL;
    }
    gatherer_action_t *action = &actions->at[actions->n++];
    *action = (gatherer_action_t){.type = type};
    return action;
}

gatherer_t *gatherer_new(const gatherer_config_t *config)
{
    gatherer_t *g = calloc(1, sizeof *g);
    gather_lane_t *lanes = calloc(config->lanes_n + 1, sizeof *lanes);
    if (g == NULL || lanes == NULL) {
        free(g);
        free(lanes);
        return NULL;
    }
    g->config = *config;
    g->lanes = lanes;
    g->commit_ms = INT64_MAX;
    g->asked_ms = -(int64_t)config->commit_every_ms;
    for (uint32_t i = 0; i < config->lanes_n; i++)
        lanes[i].order = config->order;
    return g;
}

bool gatherer_grow(gatherer_t *g, uint32_t lanes_n)
{
    if (!array_extend(g->lanes, g->config.lanes_n, lanes_n + 1))
        return false;
    for (uint32_t i = g->config.lanes_n; i < lanes_n; i++)
        g->lanes[i].order = g->config.order;
    g->config.lanes_n = lanes_n;
    return true;
}

void gatherer_free(gatherer_t *g)
{
    if (g == NULL)
        return;
    for (uint32_t i = 0; i < g->config.lanes_n; i++)
        gather_lane_free(&g->lanes[i]);
    free(g->lanes);
    free(g);
}

/* ---- the transaction ---- */

/* A commit begins twice as long before it is due as slow ones take, so that its records are visible when it is, and most of what
 * waited behind the one before, too. At least a quarter of the time before, as what will disturb a commit is not known from those
 * that went well, and at most half, as a transaction has its price. While records come without a pause, what the last one took is
 * not added to the wait for the next. */
static void begin(gatherer_t *g)
{
    if (g->commit_ms != INT64_MAX)
        return;
    int64_t every_ms = g->config.commit_every_ms, early_ms = 2 * g->took_ms;
    if (early_ms < every_ms / 4)
        early_ms = every_ms / 4;
    if (early_ms > every_ms / 2)
        early_ms = every_ms / 2;
    int64_t wait_ms = every_ms - early_ms, next_ms = g->asked_ms + wait_ms;
    g->commit_ms = next_ms > g->now_ms ? next_ms : g->now_ms + wait_ms;
}

static void on_hand_out(void *arg, const gather_outcome_t *outcome)
{
    gatherer_t *g = arg;
    gatherer_action_t *action = add_action(g, GATHERER_HAND_OUT);
    g->records_n++;
    if (action == NULL)
        return;
    action->lane = g->lane;
    action->at = outcome->offset;
    action->payload = outcome->payload;
}

static void on_release(void *arg, const gather_outcome_t *outcome)
{
    gatherer_action_t *action = outcome->payload != NULL ? add_action(arg, GATHERER_RELEASE) : NULL;
    if (action != NULL)
        action->payload = outcome->payload;
}

static void report_losses(gatherer_t *g, uint32_t number)
{
    gather_lane_t *lane = &g->lanes[number];
    for (size_t i = 0; i < lane->losses_n; i++) {
        gatherer_action_t *action = add_action(g, GATHERER_LOSS);
        if (action == NULL)
            return;
        action->lane = number;
        action->from = lane->losses[i].from;
        action->to = lane->losses[i].to;
    }
    lane->losses_n = 0;
}

static void commit(gatherer_t *g)
{
    for (uint32_t i = 0; i < g->config.lanes_n; i++) {
        gather_lane_t *lane = &g->lanes[i];
        report_losses(g, i);
        gatherer_action_t *action = lane->is_dirty ? add_action(g, GATHERER_POSITION) : NULL;
        if (action == NULL)
            continue;
        action->lane = i;
        action->at = gather_lane_position(lane, lane->committing);
        action->text = lane->committing;
        lane->is_dirty = false;
    }
    gatherer_action_t *action = add_action(g, GATHERER_COMMIT);
    g->is_committing = true;
    g->commit_ms = INT64_MAX;
    g->asked_ms = g->now_ms;
    g->records_n = 0;
    if (action != NULL)
        action->generation = g->generation;
}

static void forget(gatherer_t *g, bool reload)
{
    g->commit_ms = INT64_MAX;
    g->records_n = 0;
    for (uint32_t i = 0; i < g->config.lanes_n; i++) {
        gather_lane_t *lane = &g->lanes[i];
        if (!lane->is_owned)
            continue;
        gather_lane_forget(lane, on_release, g);
        lane->is_owned = reload;
        gatherer_action_t *action = reload ? add_action(g, GATHERER_RELOAD) : NULL;
        if (action != NULL)
            action->lane = i;
    }
}

/* ---- events ---- */

static void assigned(gatherer_t *g, const gatherer_event_t *e)
{
    gather_lane_t *lane = &g->lanes[e->lane];
    gather_lane_forget(lane, on_release, g);
    lane->is_owned = true;
    g->generation = e->generation;
    if (!gather_lane_load(lane, e->at, e->metadata))
        g->failed = true;
}

static void revoked(gatherer_t *g)
{
    if (!g->is_committing && g->commit_ms != INT64_MAX)
        add_action(g, GATHERER_ABORT);
    forget(g, false);
}

static void pack(gatherer_t *g, const gatherer_event_t *e)
{
    const gather_calls_t calls = {on_hand_out, on_release, g};
    gather_lane_t *lane = &g->lanes[e->lane];
    if (!lane->is_loaded || e->at < lane->position) {
        for (size_t i = 0; i < e->n; i++)
            on_release(g, &e->at_in[i]);
        return;
    }
    g->lane = e->lane;
    begin(g);
    gather_lane_pack(lane, e->at, e->whole, e->at_in, e->n, &calls);
    g->failed |= lane->failed;
}

static void learn(gatherer_t *g, int64_t took_ms)
{
    enum { FORGETS = 16 }; /* the slowest of so many commits still counts by a third */
    int64_t past_ms = g->took_ms - (g->took_ms + FORGETS - 1) / FORGETS;
    g->took_ms = took_ms > past_ms ? took_ms : past_ms;
}

static void answered(gatherer_t *g, bool ok)
{
    if (!g->is_committing)
        return;
    g->is_committing = false;
    if (!ok)
        forget(g, true);
    else
        learn(g, g->now_ms - g->asked_ms);
}

static void gone(gatherer_t *g, const gatherer_event_t *e)
{
    gather_lane_t *lane = &g->lanes[e->lane];
    if (!lane->is_loaded || e->at <= lane->position)
        return;
    begin(g);
    gather_lane_gone(lane, e->at);
    g->failed |= lane->failed;
}

void gatherer_step(gatherer_t *g, const gatherer_event_t *e, gatherer_actions_t *actions)
{
    g->actions = actions;
    g->now_ms = e->now_ms;
    actions->n = 0;
    switch (e->type) {
    case GATHERER_TICK:
        break;
    case GATHERER_FLUSH:
        if (g->commit_ms != INT64_MAX)
            g->commit_ms = g->now_ms;
        break;
    case GATHERER_ASSIGNED:
        assigned(g, e);
        break;
    case GATHERER_REVOKED:
        revoked(g);
        break;
    case GATHERER_PACK:
        pack(g, e);
        break;
    case GATHERER_GONE:
        gone(g, e);
        break;
    case GATHERER_ANSWER:
        answered(g, e->ok);
        break;
    }
    if (!g->is_committing && (g->now_ms >= g->commit_ms || g->records_n >= g->config.records_max))
        commit(g);
    actions->failed = g->failed;
}

int64_t gatherer_next_ms(const gatherer_t *g)
{
    return g->is_committing ? INT64_MAX : g->commit_ms;
}

size_t gatherer_held_n(const gatherer_t *g, uint32_t lane)
{
    return g->lanes[lane].n;
}
