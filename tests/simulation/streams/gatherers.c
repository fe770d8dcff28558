/* The gatherers: their group, what they read of the log, and their transactions. */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void hand_out(world_t *x, gatherer_node_t *node, const gatherer_action_t *a)
{
    const payload_t *payload = a->payload;
    if (node->tx != TX_NONE || node->outputs_n == TX_MAX) {
        fault(x, "a gatherer hands out while it commits, or without end");
        return;
    }
    if (x->is_plain) {
        output_append(x, payload->lane, payload->offset);
        return;
    }
    node->outputs[node->outputs_n].lane = payload->lane;
    node->outputs[node->outputs_n++].offset = payload->offset;
}

static void note_loss(world_t *x, const gatherer_action_t *a)
{
    stream_lane_t *lane = &x->lanes[a->lane];
    say(x, "lane %u: %lld to %lld are reported as lost", a->lane, (long long)a->from, (long long)a->to);
    if (!x->loses_log)
        fault(x, "lane %u: %lld to %lld are reported as lost, and are not", a->lane, (long long)a->from,
              (long long)a->to);
    if (lane->losses_n < sizeof lane->losses / sizeof lane->losses[0])
        lane->losses[lane->losses_n++] = (gather_loss_t){a->from, a->to};
}

static void carry_out(world_t *x, gatherer_node_t *node, const gatherer_action_t *a)
{
    switch (a->type) {
    case GATHERER_HAND_OUT:
        hand_out(x, node, a);
        break;
    case GATHERER_RELEASE:
        free(a->payload);
        node->payloads_n--;
        break;
    case GATHERER_POSITION:
        node->positions[node->positions_n].lane = a->lane;
        node->positions[node->positions_n].at = a->at;
        memcpy(node->positions[node->positions_n++].text, a->text, GATHER_POSITION_MAX);
        break;
    case GATHERER_COMMIT:
        node->tx = TX_ASKED;
        node->commit_generation = a->generation;
        break;
    case GATHERER_ABORT:
        node->outputs_n = 0;
        break;
    case GATHERER_RELOAD:
        node->is_reading[a->lane] = false;
        node->is_due[a->lane] = true;
        break;
    case GATHERER_LOSS:
        if (node->losses_n < sizeof node->losses / sizeof node->losses[0])
            node->losses[node->losses_n++] = *a;
        break;
    }
}

static void step(world_t *x, gatherer_node_t *node, gatherer_event_t *event)
{
    event->now_ms = x->now_ms;
    gatherer_step(node->core, event, &node->actions);
    if (node->actions.failed)
        fault(x, "a gatherer failed");
    for (size_t i = 0; i < node->actions.n; i++)
        carry_out(x, node, &node->actions.at[i]);
    for (uint32_t l = 0; l < x->lanes_n; l++)
        if (!x->loses_log && gatherer_held_n(node->core, l) > 4 * WINDOW)
            fault(x, "a gatherer holds %zu of lane %u", gatherer_held_n(node->core, l), l);
}

/* ---- transactions ---- */

static void forget_tx(world_t *x, gatherer_node_t *node)
{
    for (uint32_t l = 0; l < x->lanes_n; l++)
        if (x->lanes[l].pending == (int)(node - x->gatherers))
            x->lanes[l].pending = -1;
    node->outputs_n = node->positions_n = node->losses_n = 0;
    node->tx = TX_NONE;
}

static void answer(world_t *x, gatherer_node_t *node, bool ok)
{
    forget_tx(x, node);
    step(x, node, &(gatherer_event_t){.type = GATHERER_ANSWER, .ok = ok});
}

/* Kafka looks at the group when the positions are sent, and never again. */
static bool are_accepted(const world_t *x, const gatherer_node_t *node)
{
    if (rule_off == RULE_GENERATION)
        return true;
    if (rule_off == RULE_PRESENT) /* Kafka does not ask whose the lanes are */
        return node->generation == x->gather_generation;
    for (size_t i = 0; i < node->positions_n; i++)
        if (x->lanes[node->positions[i].lane].gatherer != (int)(node - x->gatherers))
            return false;
    return node->commit_generation == x->gather_generation;
}

static void send_positions(world_t *x, gatherer_node_t *node)
{
    if (!are_accepted(x, node)) {
        answer(x, node, false);
        return;
    }
    node->tx = TX_SENT;
    for (size_t i = 0; i < node->positions_n; i++)
        x->lanes[node->positions[i].lane].pending = (int)(node - x->gatherers);
}

static void make_visible(world_t *x, gatherer_node_t *node)
{
    say(x, "gatherer %d commits", (int)(node - x->gatherers));
    for (size_t i = 0; i < node->outputs_n; i++)
        output_append(x, node->outputs[i].lane, node->outputs[i].offset);
    for (size_t i = 0; i < node->losses_n; i++)
        note_loss(x, &node->losses[i]);
    for (size_t i = 0; i < node->positions_n; i++) {
        stream_lane_t *lane = &x->lanes[node->positions[i].lane];
        say(x, "lane %u: gathered up to %lld: %s", node->positions[i].lane, (long long)node->positions[i].at,
            node->positions[i].text);
        if (node->positions[i].at < lane->gathered)
            fault(x, "lane %u: the position of its gatherers goes back from %lld to %lld", node->positions[i].lane,
                  (long long)lane->gathered, (long long)node->positions[i].at);
        lane->was_gathered = true;
        lane->gathered = node->positions[i].at;
        memcpy(lane->position, node->positions[i].text, GATHER_POSITION_MAX);
    }
}

static void decide(world_t *x, gatherer_node_t *node)
{
    bool aborts = !x->is_healed && chance(x, 100), is_unknown = !x->is_healed && chance(x, 100);
    if (!aborts)
        make_visible(x, node);
    answer(x, node, !aborts && !is_unknown);
}

/* ---- reading ---- */

static bool fetch(world_t *x, gatherer_node_t *node, uint32_t l)
{
    stream_lane_t *lane = &x->lanes[l];
    if (lane->pending >= 0 || node->tx != TX_NONE)
        return false; /* what is committed is not known before that is decided */
    node->is_due[l] = false;
    node->is_reading[l] = true;
    node->at[l] = lane->gathered;
    step(x, node,
         &(gatherer_event_t){.type = GATHERER_ASSIGNED,
                             .lane = l,
                             .at = lane->gathered,
                             .metadata = lane->position,
                             .generation = node->generation});
    return true;
}

static bool read_pack(world_t *x, gatherer_node_t *node, uint32_t l)
{
    stream_lane_t *lane = &x->lanes[l];
    if (!node->is_reading[l] || node->tx != TX_NONE)
        return false;
    if (node->at[l] < lane->log_low) {
        node->at[l] = lane->log_low;
        step(x, node, &(gatherer_event_t){.type = GATHERER_GONE, .lane = l, .at = lane->log_low});
        return true;
    }
    if (node->at[l] == lane->log_end)
        return false;
    const pack_t *pack = lane->log[node->at[l]];
    gather_outcome_t outcomes[PACK_MAX];
    memcpy(outcomes, pack->outcomes, sizeof outcomes);
    for (size_t i = 0; i < pack->n; i++) {
        payload_t *payload = calloc(1, sizeof *payload);
        if (payload == NULL)
            abort();
        *payload = (payload_t){l, outcomes[i].offset};
        outcomes[i].payload = payload;
        node->payloads_n++;
    }
    step(x, node,
         &(gatherer_event_t){.type = GATHERER_PACK,
                             .lane = l,
                             .at = node->at[l]++,
                             .whole = pack->whole,
                             .at_in = outcomes,
                             .n = pack->n});
    return true;
}

bool gatherer_act(world_t *x, size_t i)
{
    gatherer_node_t *node = &x->gatherers[i];
    uint32_t l = (uint32_t)roll(x, x->lanes_n);
    if (node->core == NULL)
        return false;
    if (node->tx != TX_NONE) {
        if (chance(x, 500))
            return false;
        if (node->tx == TX_ASKED)
            send_positions(x, node);
        else
            decide(x, node);
        return true;
    }
    if (gatherer_next_ms(node->core) <= x->now_ms && chance(x, 300)) {
        step(x, node, &(gatherer_event_t){.type = GATHERER_TICK});
        return true;
    }
    return node->is_due[l] ? fetch(x, node, l) : read_pack(x, node, l);
}

/* ---- life ---- */

void gatherer_start(world_t *x, size_t i)
{
    gatherer_node_t *node = &x->gatherers[i];
    memset(node, 0, sizeof *node);
    node->core = gatherer_new(&(gatherer_config_t){
        .order = x->order, .lanes_n = (uint32_t)x->lanes_n, .commit_every_ms = 270, .records_max = 40});
    if (node->core == NULL)
        abort();
    node->has_heard = true;
}

void gatherer_end(gatherer_node_t *node)
{
    gatherer_free(node->core);
    gatherer_actions_free(&node->actions);
    node->core = NULL;
}

/* Its transaction is aborted by its time-out, unless the end of it was already asked for. */
void gatherer_kill(world_t *x, size_t i)
{
    gatherer_node_t *node = &x->gatherers[i];
    if (node->core == NULL)
        return;
    say(x, "gatherer %zu is killed", i);
    if (node->tx == TX_SENT && chance(x, 500))
        make_visible(x, node);
    forget_tx(x, node);
    for (uint32_t l = 0; l < x->lanes_n; l++)
        if (x->lanes[l].gatherer == (int)i)
            x->lanes[l].gatherer = -1;
    /* What waits in it is given back, so that a leak shows. */
    step(x, node, &(gatherer_event_t){.type = GATHERER_REVOKED});
    if (node->payloads_n > 0)
        fault(x, "a gatherer keeps %zu payloads", node->payloads_n);
    gatherer_end(node);
}

static void revoke(world_t *x, gatherer_node_t *node)
{
    for (uint32_t l = 0; l < x->lanes_n; l++)
        node->owns[l] = node->is_due[l] = node->is_reading[l] = false;
    step(x, node, &(gatherer_event_t){.type = GATHERER_REVOKED});
}

void gatherer_hear(world_t *x, size_t i)
{
    gatherer_node_t *node = &x->gatherers[i];
    if (node->core == NULL || node->has_heard)
        return;
    node->has_heard = true;
    revoke(x, node);
}

void gatherers_deal(world_t *x, bool is_gentle)
{
    size_t members[GATHERERS_MAX], n = 0;
    for (size_t i = 0; i < x->gatherers_n; i++) {
        gatherer_node_t *node = &x->gatherers[i];
        if (node->core == NULL || !node->has_heard)
            continue;
        if (!is_gentle && chance(x, 250)) {
            node->has_heard = false;
            continue;
        }
        revoke(x, node);
        members[n++] = i;
    }
    x->gather_generation++;
    say(x, "generation %llu of the gatherers", (unsigned long long)x->gather_generation);
    for (uint32_t l = 0; l < x->lanes_n; l++) {
        x->lanes[l].gatherer = n > 0 ? (int)members[roll(x, n)] : -1;
        if (n > 0)
            x->gatherers[x->lanes[l].gatherer].owns[l] = x->gatherers[x->lanes[l].gatherer].is_due[l] = true;
    }
    for (size_t k = 0; k < n; k++)
        x->gatherers[members[k]].generation = x->gather_generation;
}
