/* What the group and the slots tell a worker, as events of its core. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node_internal.h"

/* ---- from the group ---- */

uint32_t node_place_of(const node_t *node, uint32_t task)
{
    uint32_t place = 0;
    for (uint32_t t = 0; t < task; t++)
        place += node->tasks >> t & 1;
    return place;
}

void node_assigned(sim_t *sim, node_t *node)
{
    for (int32_t p = 0; p < (int32_t)sim->kafka.partitions_n[TOPIC_ITEMS]; p++) {
        if (!node->consumer.owns[p])
            continue;
        const partition_t *partition = &sim->kafka.topics[TOPIC_ITEMS][p];
        /* a commit behind the end is of an earlier log, as the bus finds out */
        bool was_committed = partition->was_committed && partition->committed <= (int64_t)partition->n;
        int64_t offset = was_committed ? partition->committed : 0;
        node->consumer.position[p] = offset;
        node->consumer.made[p] = sim->kafka.made[p];
        node->consumer.is_misled[p] = was_committed && partition->is_misleading;
        node->consumer.witness_ms[p] = 0;
        node->consumer.short_n[p] = 0;
        size_t metadata_len = was_committed ? partition->metadata_len : 0;
        char *metadata = take_copy(partition->metadata, metadata_len);
        worker_event_t event = {.type = WORKER_ASSIGNED};
        event.assigned.lane = p;
        event.assigned.partition = p % (int32_t)sim->scenario.items_partitions;
        event.assigned.task = node_place_of(node, sim_task_of(sim, p));
        event.assigned.offset = offset;
        event.assigned.was_committed = was_committed;
        event.assigned.metadata = metadata;
        event.assigned.metadata_len = metadata_len;
        event.assigned.member = node->consumer.id;
        node_step(sim, node, &event);
        free(metadata);
    }
    node_step(sim, node, &(worker_event_t){.type = WORKER_REBALANCED, .member = node->consumer.id});
    node_poke_items(sim, node);
}

void node_revoked(sim_t *sim, node_t *node, bool lost)
{
    sim_say(sim, "%s %s its partitions", node->process.name, lost ? "lost" : "gives up");
    if (lost) {
        node_step(sim, node, &(worker_event_t){.type = WORKER_LOST});
        return;
    }
    for (int32_t p = 0; p < PARTITIONS_MAX; p++) {
        if (!node->consumer.owns[p])
            continue;
        worker_event_t event = {.type = WORKER_REVOKED};
        event.revoked.lane = p;
        event.revoked.may_wait = false;
        node_step(sim, node, &event);
    }
}

/* A partition leaves owns[] when the core lets go of it, which can be in this step. */
void node_must_give_up(sim_t *sim, node_t *node)
{
    sim_say(sim, "%s must give up its partitions", node->process.name);
    bool owned = false;
    for (int32_t p = 0; p < PARTITIONS_MAX; p++) {
        if (!node->consumer.owns[p])
            continue;
        owned = true;
        worker_event_t event = {.type = WORKER_REVOKED};
        event.revoked.lane = p;
        event.revoked.may_wait = true;
        node_step(sim, node, &event);
    }
    if (!owned)
        group_let_go(sim, &node->process, &node->consumer, 0);
}

void node_members(sim_t *sim, node_t *node, const char (*ids)[MEMBER_ID_MAX], size_t n, uint64_t number, bool ok)
{
    const char *members[MEMBERS_MAX];
    worker_event_t event = {.type = WORKER_MEMBERS};
    for (size_t i = 0; i < n; i++)
        members[i] = ids[i];
    event.members.number = number;
    event.members.at = members;
    event.members.n = n;
    event.members.ok = ok;
    node_step(sim, node, &event);
}

void node_committed(sim_t *sim, node_t *node, int32_t partition, int64_t offset, uint64_t number, bool ok)
{
    worker_event_t event = {.type = WORKER_COMMITTED};
    event.committed.lane = partition;
    event.committed.offset = offset;
    event.committed.number = number;
    event.committed.ok = ok;
    node_step(sim, node, &event);
}

void node_wake(sim_t *sim, node_t *node, const char *job)
{
    worker_event_t event = {.type = WORKER_WAKE};
    event.wake.job = job;
    node_step(sim, node, &event);
}

/* ---- from the slots ---- */

static void fill_error(outcome_t *outcome, fanmap_kind_t kind, char *text, size_t cap)
{
    outcome->kind = kind;
    outcome->message_len = (size_t)snprintf(text, cap, "planned");
    outcome->message = text;
    outcome->type = text + outcome->message_len;
    outcome->exit_status = kind == FANMAP_EXIT ? PLAN_EXIT_STATUS : 0;
    outcome->signo = kind == FANMAP_SIGNAL ? 11 : 0;
}

static void say_done(sim_t *sim, const slot_message_t *message, worker_event_t *event, buf_t *value, char *text,
                     size_t cap)
{
    const run_t *run = &message->run;
    plan_t plan = plan_of(sim, run->job, run->index, run->attempt);
    if (message->is_whole)
        plan.kind = FANMAP_EXCEPTION;
    outcome_t *outcome = &event->done.outcome;
    event->type = WORKER_ATTEMPT_DONE;
    event->done.slot = message->slot;
    event->done.n = message->n;
    event->done.kind = plan.kind;
    event->done.final = plan.is_final;
    event->done.is_whole = message->is_whole && sim_protects(sim, PROTECTION_SPLIT);
    outcome->run_us = 1000;
    if (plan.kind != FANMAP_VALUE) {
        fill_error(outcome, plan.kind, text, cap);
        return;
    }
    plan_value(value, sim->jobs[run->job].hash, run->index);
    outcome->kind = FANMAP_VALUE;
    outcome->value = value->data;
    outcome->value_len = value->len;
}

static void say_down(sim_t *sim, const slot_message_t *message, worker_event_t *event, char *text, size_t cap)
{
    (void)sim;
    fanmap_kind_t kind = message->down == ATTEMPT_TIMEOUT ? FANMAP_TIMEOUT : FANMAP_SIGNAL;
    event->type = WORKER_SLOT_DOWN;
    event->down.slot = message->slot;
    event->down.why = (attempt_down_t)message->down;
    event->down.has_attempt = message->has_attempt;
    event->down.n = message->n;
    event->down.unstarted_from = message->unstarted_from;
    fill_error(&event->down.outcome, kind, text, cap);
}

void node_slot(sim_t *sim, node_t *node, const slot_message_t *message)
{
    worker_event_t event = {0};
    buf_t value = {0};
    char *text = take(16); /* on the heap: the core must not keep it */
    switch (message->what) {
    case SLOT_SAYS_UP:
        event.type = WORKER_SLOT_UP;
        node->pool->slots[message->slot].is_up_told = true;
        event.slot.slot = message->slot;
        break;
    case SLOT_SAYS_DONE:
        say_done(sim, message, &event, &value, text, 16);
        break;
    case SLOT_SAYS_BACK:
        event.type = WORKER_GIVEN_BACK;
        event.given_back.slot = message->slot;
        event.given_back.from = message->n;
        event.given_back.to = message->unstarted_from;
        break;
    case SLOT_SAYS_DOWN:
        node->pool->slots[message->slot].is_up_told = false;
        node->pool->slots[message->slot].downs_n--;
        say_down(sim, message, &event, text, 16);
        break;
    }
    node_step(sim, node, &event);
    buf_free(&value);
    free(text);
}
