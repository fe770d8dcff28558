/* The consumer group: its coordinator, and what librdkafka does in each worker.
 *
 * A rebalance: someone joins, leaves or falls silent; the group prepares; each member hears of it with its next
 * heartbeat, gives everything up (closing commits, still under the old generation) and joins again; when all have, or
 * those that did not are thrown out, the generation rises and the partitions are dealt out in ranges of the sorted
 * member ids. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kafka.h"
#include "node.h"
#include "sim.h"

enum { CHECK_EVERY_MS = 500 };

static member_t *find(group_t *group, const char *id)
{
    for (size_t i = 0; i < group->n; i++)
        if (id[0] != '\0' && strcmp(group->members[i].id, id) == 0)
            return &group->members[i];
    return NULL;
}

bool group_accepts(const sim_t *sim, const consumer_t *consumer)
{
    group_t *group = (group_t *)(uintptr_t)&sim->kafka.group;
    return consumer->generation == group->generation && find(group, consumer->id) != NULL;
}

static int by_id(const void *a, const void *b)
{
    return strcmp(((const member_t *)a)->id, ((const member_t *)b)->id);
}

typedef struct {
    char id[MEMBER_ID_MAX];
    uint64_t generation;
    bool owns[PARTITIONS_MAX];
} assignment_t;

static void on_assignment(sim_t *sim, event_t *event)
{
    const assignment_t *got = event->data;
    node_t *node = event->to->self;
    consumer_t *consumer = &node->consumer;
    if (strcmp(got->id, consumer->id) != 0 || event->c != consumer->join_n || consumer->is_member)
        return;
    consumer->generation = got->generation;
    consumer->heard_ms = sim->clock.now_ms;
    consumer->is_member = true;
    node->must_hear = false;
    memcpy(consumer->owns, got->owns, sizeof consumer->owns);
    node_assigned(sim, node);
}

static bool subscribes(const member_t *member, uint32_t task)
{
    return ((const node_t *)member->process->self)->tasks >> task & 1;
}

/* The lanes of one task, in ranges of those who subscribe. */
static void deal_out_task(sim_t *sim, uint32_t task)
{
    group_t *group = &sim->kafka.group;
    uint32_t partitions = sim->scenario.items_partitions, next = task * partitions, n = 0, nth = 0;
    for (size_t i = 0; i < group->n; i++)
        n += subscribes(&group->members[i], task);
    for (uint32_t p = next; p < next + partitions; p++)
        group->owner[p] = -1;
    for (size_t i = 0; i < group->n; i++) {
        if (!subscribes(&group->members[i], task))
            continue;
        uint32_t share = partitions / n + (nth++ < partitions % n ? 1 : 0);
        for (uint32_t k = 0; k < share; k++)
            group->owner[next++] = (int)i;
    }
}

static void deal_out(sim_t *sim)
{
    group_t *group = &sim->kafka.group;
    qsort(group->members, group->n, sizeof group->members[0], by_id);
    group->generation++;
    for (uint32_t task = 0; task < sim->scenario.tasks_n; task++)
        deal_out_task(sim, task);
    for (size_t i = 0; i < group->n; i++) {
        member_t *member = &group->members[i];
        uint32_t share = 0;
        assignment_t *assignment = take(sizeof *assignment);
        snprintf(assignment->id, sizeof assignment->id, "%s", member->id);
        assignment->generation = group->generation;
        for (uint32_t p = 0; p < sim->kafka.partitions_n[TOPIC_ITEMS]; p++) {
            assignment->owns[p] = group->owner[p] == (int)i;
            share += assignment->owns[p];
        }
        sim_say(sim, "group: generation %llu gives %s (%s) %u partitions", (unsigned long long)group->generation,
                member->id, member->process->name, share);
        member->joined = false;
        if (member->process->life != member->life) {
            free(assignment);
            continue;
        }
        event_t *event = clock_tell(&sim->clock, kafka_latency_ms(sim), member->process, on_assignment);
        event->data = assignment;
        event->c = ((node_t *)member->process->self)->consumer.join_n;
    }
}

static void try_complete(sim_t *sim)
{
    group_t *group = &sim->kafka.group;
    if (!group->preparing)
        return;
    for (size_t i = 0; i < group->n; i++)
        if (!group->members[i].joined)
            return;
    group->preparing = false;
    if (group->n > 0)
        deal_out(sim);
    else
        group->generation++;
}

static void prepare(sim_t *sim)
{
    group_t *group = &sim->kafka.group;
    if (group->preparing)
        return;
    group->preparing = true;
    group->deadline_ms = sim->clock.now_ms + sim->kafka.rebalance_ms;
    for (size_t i = 0; i < group->n; i++)
        group->members[i].joined = false;
}

static void throw_out(sim_t *sim, member_t *member, const char *why)
{
    group_t *group = &sim->kafka.group;
    sim_say(sim, "group: %s (%s) is out: %s", member->id, member->process->name, why);
    *member = group->members[--group->n];
    prepare(sim);
}

static void on_check(sim_t *sim, event_t *event)
{
    group_t *group = &sim->kafka.group;
    int64_t now_ms = sim->clock.now_ms;
    clock_again(&sim->clock, event, CHECK_EVERY_MS);
    if (sim->kafka.away)
        return;
    for (size_t i = group->n; i-- > 0;) {
        member_t *member = &group->members[i];
        if (member->seen_ms + sim->kafka.session_ms < now_ms)
            throw_out(sim, member, "session timed out");
        else if (group->preparing && !member->joined && now_ms > group->deadline_ms)
            throw_out(sim, member, "did not join in time");
    }
    try_complete(sim);
}

/* ---- the client ---- */

static void on_join(sim_t *sim, event_t *event)
{
    process_t *process = event->data;
    consumer_t *consumer = &((node_t *)process->self)->consumer;
    if (process->life != event->a || consumer->join_n != event->b || consumer->is_leaving)
        return;
    group_t *group = &sim->kafka.group;
    member_t *member = find(group, consumer->id);
    if (!kafka_reaches(sim, process) || (member == NULL && group->n == MEMBERS_MAX)) {
        clock_again(&sim->clock, event, 300);
        return;
    }
    if (member == NULL) {
        member = &group->members[group->n++];
        snprintf(member->id, sizeof member->id, "m%03llu", (unsigned long long)++group->members_made);
        snprintf(consumer->id, sizeof consumer->id, "%s", member->id);
        member->process = process;
        member->life = process->life;
    }
    prepare(sim);
    member->joined = true;
    member->seen_ms = sim->clock.now_ms;
    consumer->heard_ms = sim->clock.now_ms;
    try_complete(sim);
}

static void keep(void *data)
{
    (void)data;
}

static void send_join(sim_t *sim, process_t *process, const consumer_t *consumer)
{
    event_t *event = clock_after(&sim->clock, kafka_latency_ms(sim), on_join);
    event->data = process;
    event->drop = keep;
    event->a = process->life;
    event->b = consumer->join_n;
}

/* Everything is gone (lost) or has to be given up: then it may take the worker a while to let go. */
static void give_up(sim_t *sim, process_t *process, consumer_t *consumer, bool lost)
{
    if (consumer->is_member && !lost && sim->scenario.revoke_waits && !consumer->is_leaving) {
        consumer->is_giving_up = true;
        node_must_give_up(sim, process->self);
        return;
    }
    if (consumer->is_member)
        node_revoked(sim, process->self, lost);
    if (lost)
        consumer->id[0] = '\0';
    consumer_forget(consumer);
    if (!consumer->is_leaving)
        send_join(sim, process, consumer);
}

static void on_given_up(sim_t *sim, event_t *event)
{
    process_t *process = event->to;
    consumer_t *consumer = &((node_t *)process->self)->consumer;
    if (!consumer->is_giving_up || consumer->join_n != event->a)
        return;
    consumer_forget(consumer);
    send_join(sim, process, consumer);
}

void group_let_go(sim_t *sim, process_t *process, consumer_t *consumer, int32_t partition)
{
    consumer->owns[partition] = false;
    for (int p = 0; p < PARTITIONS_MAX; p++)
        if (consumer->owns[p])
            return;
    clock_tell(&sim->clock, 0, process, on_given_up)->a = consumer->join_n;
}

static void on_heartbeat(sim_t *sim, event_t *event)
{
    process_t *process = event->to;
    consumer_t *consumer = &((node_t *)process->self)->consumer;
    int64_t now_ms = sim->clock.now_ms;
    if (consumer->is_leaving)
        return;
    clock_again(&sim->clock, event, sim->kafka.session_ms / 15);
    if (!kafka_reaches(sim, process)) {
        if (consumer->is_member && now_ms - consumer->heard_ms > sim->kafka.session_ms)
            give_up(sim, process, consumer, true);
        return;
    }
    member_t *member = find(&sim->kafka.group, consumer->id);
    if (member == NULL) {
        if (consumer->is_member || consumer->id[0] != '\0')
            give_up(sim, process, consumer, true);
        return;
    }
    member->seen_ms = now_ms;
    consumer->heard_ms = now_ms;
    if (consumer->is_member && consumer->generation != sim->kafka.group.generation)
        give_up(sim, process, consumer, true);
    else if (consumer->is_member && !consumer->is_giving_up && sim->kafka.group.preparing)
        give_up(sim, process, consumer, false);
    else if (!consumer->is_member && sim->kafka.group.preparing && !member->joined)
        send_join(sim, process, consumer);
}

void group_join(sim_t *sim, process_t *process, consumer_t *consumer)
{
    consumer->is_leaving = false;
    consumer->id[0] = '\0';
    send_join(sim, process, consumer);
    clock_tell(&sim->clock, sim->kafka.session_ms / 15, process, on_heartbeat);
}

void group_leave(sim_t *sim, process_t *process, consumer_t *consumer)
{
    consumer->is_leaving = true;
    give_up(sim, process, consumer, false);
    member_t *member = find(&sim->kafka.group, consumer->id);
    if (member != NULL && kafka_reaches(sim, process)) {
        throw_out(sim, member, "it leaves");
        try_complete(sim);
    }
    consumer->id[0] = '\0';
}

void group_join_anew(sim_t *sim, process_t *process, consumer_t *consumer)
{
    member_t *member = find(&sim->kafka.group, consumer->id);
    if (consumer->is_leaving)
        return;
    sim_say(sim, "%s joins anew", process->name);
    process->joins++;
    if (member != NULL && kafka_reaches(sim, process))
        throw_out(sim, member, "it joins anew");
    consumer->id[0] = '\0';
    consumer_forget(consumer);
    try_complete(sim);
    send_join(sim, process, consumer);
}

static void on_described(sim_t *sim, event_t *event)
{
    node_members(sim, event->to->self, event->data, event->b, event->a, event->c != 0);
}

static void on_describe(sim_t *sim, event_t *event)
{
    process_t *process = event->to;
    node_t *node = process->self;
    const group_t *group = &sim->kafka.group;
    bool ok = kafka_reaches(sim, process);
    char(*ids)[MEMBER_ID_MAX] = take(MEMBERS_MAX * sizeof *ids);
    for (size_t i = 0; i < group->n; i++) {
        memcpy(ids[i], group->members[i].id, MEMBER_ID_MAX);
        if (ok && strcmp(ids[i], node->consumer.id) == 0)
            node->must_hear = false;
    }
    event_t *answer = clock_tell(&sim->clock, ok ? kafka_latency_ms(sim) : 3000, process, on_described);
    answer->a = event->a;
    answer->b = group->n;
    answer->c = ok;
    answer->data = ids;
}

void group_describe(sim_t *sim, process_t *process, uint64_t number)
{
    clock_tell(&sim->clock, kafka_latency_ms(sim), process, on_describe)->a = number;
}

void group_begin(sim_t *sim)
{
    clock_after(&sim->clock, CHECK_EVERY_MS, on_check);
}
