/* The workers: their group, what they read, run, send and commit. */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LATE_PERMILLE = 150 };

static spec_t spec_of(const world_t *x)
{
    spec_t spec;
    spec_init(&spec);
    strcpy(spec.job, "stream");
    strcpy(spec.task, "task");
    strcpy(spec.queue, "default");
    spec.retries = RETRIES;
    spec.backoff_base_ms = 20;
    spec.backoff_cap_ms = 100;
    spec.stream = x->order;
    spec.start_offset = 0;
    spec.batch_n = x->calls_max > 1 ? (uint32_t)x->calls_max : 0;
    spec.batch_within_ms = x->within_ms;
    return spec;
}

/* ---- what is sent ---- */

static void flush(world_t *x, node_t *node, uint32_t l)
{
    if (node->open[l].pack == NULL)
        return;
    if (node->box_n == BOX_MAX) {
        fault(x, "%s sends without end", node->member);
        return;
    }
    sent_t *sent = &node->box[node->box_n++];
    *sent = (sent_t){.lane = l, .pack = node->open[l].pack};
    memcpy(sent->items, node->open[l].items, sizeof sent->items);
    node->open[l].pack = NULL;
}

static pack_t *open_pack(world_t *x, node_t *node, uint32_t l)
{
    if (node->open[l].pack == NULL)
        node->open[l].pack = pack_new(x);
    return node->open[l].pack;
}

static void publish(world_t *x, node_t *node, const worker_action_t *a)
{
    const worker_source_t *source = &a->publish.source;
    uint32_t l = (uint32_t)source->lane;
    pack_t *pack = open_pack(x, node, l);
    gather_outcome_t *outcome = &pack->outcomes[pack->n];
    *outcome = (gather_outcome_t){.offset = (int64_t)a->publish.outcome.index,
                                  .prev = source->prev,
                                  .is_gone = a->publish.outcome.kind == FANMAP_LOST,
                                  .has_key = source->has_key};
    memcpy(outcome->key, source->key, sizeof outcome->key);
    const payload_t *payload = source->payload;
    if (payload != NULL && (payload->lane != l || payload->offset != outcome->offset))
        fault(x, "%s publishes %lld with another record", node->member, (long long)outcome->offset);
    slot_check_outcome(x, node, l, &a->publish.outcome);
    pack->whole = source->whole > pack->whole ? source->whole : pack->whole;
    node->open[l].items[pack->n++] = a->publish.item;
    if (pack->n == PACK_MAX)
        flush(x, node, l);
}

static void pass(world_t *x, node_t *node, const worker_action_t *a)
{
    uint32_t l = (uint32_t)a->pass.lane;
    pack_t *pack = open_pack(x, node, l);
    pack->whole = a->pass.whole > pack->whole ? a->pass.whole : pack->whole;
    flush(x, node, l);
}

static bool arrive(world_t *x, node_t *node)
{
    size_t i = 0;
    while (i < node->box_n && node->box[i].is_stored)
        i++;
    if (i == node->box_n)
        return false;
    node->box[i].is_stored = true;
    log_append(x, node->box[i].lane, node->box[i].pack);
    return true;
}

static bool answer_stored(world_t *x, node_t *node)
{
    if (node->box_n == 0 || !node->box[0].is_stored)
        return false;
    sent_t sent = node->box[0];
    memmove(node->box, node->box + 1, --node->box_n * sizeof node->box[0]);
    if (sent.pack->n > 0)
        node_step(x, node, &(worker_event_t){.type = WORKER_STORED, .stored = {sent.items, sent.pack->n}});
    return true;
}

void orphan_act(world_t *x)
{
    if (x->orphans_n == 0)
        return;
    sent_t sent = x->orphans[0];
    memmove(x->orphans, x->orphans + 1, --x->orphans_n * sizeof x->orphans[0]);
    log_append(x, sent.lane, sent.pack);
}

/* ---- commits ---- */

static bool store(world_t *x, const node_t *node, uint32_t l, uint64_t generation, int64_t offset, const char *metadata,
                  size_t len)
{
    stream_lane_t *lane = &x->lanes[l];
    if (generation != x->generation || lane->owner != (int)(node - x->nodes))
        return false;
    say(x, "%s commits lane %u up to %lld", node->member, l, (long long)offset);
    if (lane->was_committed && offset < lane->committed)
        fault(x, "lane %u is committed back from %lld to %lld", l, (long long)lane->committed, (long long)offset);
    for (size_t i = 0; i < lane->records_n; i++)
        if (lane->records[i].is_there && lane->records[i].offset < offset && !lane->records[i].is_logged)
            fault(x, "lane %u is committed up to %lld, past %lld", l, (long long)offset,
                  (long long)lane->records[i].offset);
    lane->was_committed = true;
    lane->committed = offset;
    memcpy(lane->metadata, metadata, len);
    lane->metadata_len = len;
    return true;
}

static void commit(world_t *x, node_t *node, const worker_action_t *a)
{
    uint32_t l = (uint32_t)a->commit.lane;
    if (a->commit.is_closing) {
        node->commits[l].is_sent = false;
        bool ok = node->has_heard &&
                  store(x, node, l, node->generation, a->commit.offset, a->commit.metadata, a->commit.metadata_len);
        node->closing_failed |= !ok || (!x->is_healed && chance(x, LATE_PERMILLE));
        return;
    }
    if (!node->owns[l])
        return;
    node->commits[l].is_sent = true; /* one that was not decided is replaced */
    node->commits[l].offset = a->commit.offset;
    node->commits[l].number = a->commit.number;
    node->commits[l].generation = node->generation;
    node->commits[l].metadata_len = a->commit.metadata_len;
    memcpy(node->commits[l].metadata, a->commit.metadata, a->commit.metadata_len);
}

static bool decide_commit(world_t *x, node_t *node, uint32_t l)
{
    if (!node->commits[l].is_sent)
        return false;
    node->commits[l].is_sent = false;
    bool ok = store(x, node, l, node->commits[l].generation, node->commits[l].offset, node->commits[l].metadata,
                    node->commits[l].metadata_len);
    ok &= x->is_healed || !chance(x, LATE_PERMILLE);
    worker_event_t event = {.type = WORKER_COMMITTED};
    event.committed.lane = (int32_t)l;
    event.committed.offset = node->commits[l].offset;
    event.committed.number = node->commits[l].number;
    event.committed.ok = ok;
    node_step(x, node, &event);
    return true;
}

/* ---- reading ---- */

static void take_record(world_t *x, node_t *node, uint32_t l, const record_t *record, worker_event_type_t type)
{
    payload_t *payload = calloc(1, sizeof *payload);
    if (payload == NULL)
        abort();
    payload->lane = l;
    payload->offset = record->offset;
    node->payloads_n++;
    char key[8];
    snprintf(key, sizeof key, "key%d", record->key);
    worker_event_t event = {.type = type};
    event.item.lane = (int32_t)l;
    event.item.offset = record->offset;
    event.item.key = record->key >= 0 ? key : NULL;
    event.item.key_len = record->key >= 0 ? strlen(key) : 0;
    event.item.value = payload;
    event.item.value_len = sizeof *payload;
    event.item.payload = payload;
    node_step(x, node, &event);
}

/* Only a worker that has put records off asks for that. */
static void read_again(world_t *x, node_t *node, uint32_t l)
{
    stream_lane_t *lane = &x->lanes[l];
    if (node->fetched[l] < lane->low) {
        worker_event_t over = {.type = WORKER_FETCH_OVER};
        over.gap.lane = (int32_t)l;
        over.gap.to = lane->low;
        node->fetched[l] = -1;
        node_step(x, node, &over);
        return;
    }
    const record_t *record = source_at(lane, node->fetched[l]);
    if (record == NULL)
        return;
    node->fetched[l] = record->offset + 1;
    take_record(x, node, l, record, WORKER_FETCHED);
}

static bool read_record(world_t *x, node_t *node, uint32_t l)
{
    stream_lane_t *lane = &x->lanes[l];
    if (node->fetched[l] >= 0)
        read_again(x, node, l);
    if (!node->owns[l] || !node->wants || !node->takes[l])
        return false;
    if (node->position[l] < lane->low) {
        worker_event_t gap = {.type = WORKER_GAP};
        gap.gap.lane = (int32_t)l;
        gap.gap.from = node->position[l];
        gap.gap.to = lane->low;
        node->position[l] = lane->low;
        node_step(x, node, &gap);
        return true;
    }
    const record_t *record = source_at(lane, node->position[l]);
    if (record == NULL)
        return false;
    node->position[l] = record->offset + 1;
    if (record->is_skipped) {
        worker_event_t skip = {.type = WORKER_ITEM};
        skip.item.lane = (int32_t)l;
        skip.item.offset = record->offset;
        skip.item.is_skipped = true;
        node_step(x, node, &skip);
        return true;
    }
    take_record(x, node, l, record, WORKER_ITEM);
    return true;
}

/* ---- steps ---- */

static void leave_group(world_t *x, node_t *node)
{
    node->is_member = false;
    node->member[0] = '\0';
    for (uint32_t l = 0; l < x->lanes_n; l++) {
        if (x->lanes[l].owner == (int)(node - x->nodes))
            x->lanes[l].owner = -1;
        node->owns[l] = node->commits[l].is_sent = false;
    }
}

static void carry_out(world_t *x, node_t *node, const worker_action_t *a)
{
    switch (a->type) {
    case WORKER_RUN:
        slot_run(x, node, a);
        break;
    case WORKER_KILL:
        slot_kill_run(node, a->kill.slot, a->kill.n);
        break;
    case WORKER_TAKE_BACK:
        slot_withdraw(x, node, a->take_back.slot);
        break;
    case WORKER_PUBLISH:
        publish(x, node, a);
        break;
    case WORKER_PASS:
        pass(x, node, a);
        break;
    case WORKER_LANE:
        node->takes[a->lane.lane] = a->lane.on;
        break;
    case WORKER_COMMIT:
        commit(x, node, a);
        break;
    case WORKER_DESCRIBE:
        node->describe = a->describe.number;
        break;
    case WORKER_JOIN_ANEW:
        leave_group(x, node);
        break;
    case WORKER_RELEASE:
        free(a->release.payload);
        node->payloads_n--;
        break;
    case WORKER_FETCH:
        if (rule_off != RULE_KEEPS)
            fault(x, "%s reads records of a stream again", node->member);
        node->fetched[a->fetch.lane] = a->fetch.from;
        break;
    case WORKER_INTAKE:
        node->wants = a->intake.on;
        break;
    case WORKER_NOTE:
        say(x, "%s notes: %s", node->member, a->note.line);
        break;
    case WORKER_FREEZE:
    case WORKER_LAPSE:
    case WORKER_BEG:
    case WORKER_QUERY_JOBS_END:
        break;
    default: /* notes and copies, which a source cannot have; dead letters; a drain */
        fault(x, "%s: action %d of a stream", node->member, (int)a->type);
        break;
    }
}

void node_step(world_t *x, node_t *node, worker_event_t *event)
{
    event->now_ms = x->now_ms;
    worker_actions_clear(&node->actions);
    worker_step(node->worker, event, &node->actions);
    if (node->actions.failed)
        fault(x, "out of memory");
    for (size_t i = 0; i < node->actions.n; i++)
        carry_out(x, node, &node->actions.at[i]);
    if (node->closing_failed && event->type != WORKER_LOST) {
        node->closing_failed = false;
        node_step(x, node, &(worker_event_t){.type = WORKER_LOST});
    }
    node->closing_failed = false;
    slot_answer(x, node);
}

bool node_act(world_t *x, size_t i)
{
    node_t *node = &x->nodes[i];
    uint32_t l = (uint32_t)roll(x, x->lanes_n);
    if (node->worker == NULL)
        return false;
    if (worker_next_ms(node->worker) <= x->now_ms && chance(x, 400)) {
        node_step(x, node, &(worker_event_t){.type = WORKER_TICK});
        return true;
    }
    switch (roll(x, 7)) {
    case 0:
    case 1:
        return read_record(x, node, l);
    case 2:
        return slot_act(x, i, (uint32_t)roll(x, x->slots_n));
    case 3:
        flush(x, node, l);
        return true;
    case 4:
        return arrive(x, node);
    case 5:
        return answer_stored(x, node);
    default:
        break;
    }
    if (node->describe == 0)
        return decide_commit(x, node, l);
    const char *members[NODES_MAX];
    worker_event_t event = {.type = WORKER_MEMBERS, .members = {.number = node->describe, .at = members, .ok = true}};
    for (size_t k = 0; k < x->nodes_n; k++)
        if (x->nodes[k].worker != NULL && x->nodes[k].is_member && x->nodes[k].generation == x->generation)
            members[event.members.n++] = x->nodes[k].member;
    node->describe = 0;
    node_step(x, node, &event);
    return true;
}

/* ---- life ---- */

void node_start(world_t *x, size_t i)
{
    static const char *const tasks[] = {"task"};
    node_t *node = &x->nodes[i];
    char incarnation[32];
    memset(node, 0, sizeof *node);
    memset(node->fetched, 0xff, sizeof node->fetched);
    snprintf(incarnation, sizeof incarnation, "i%llu", (unsigned long long)++x->members_n);
    worker_config_t config = {.queue = "default",
                              .incarnation = incarnation,
                              .slots_n = (uint32_t)x->slots_n,
                              .tasks = tasks,
                              .tasks_n = 1,
                              .budget_bytes = 1 << 20,
                              .items_max = x->items_max,
                              .commit_every_ms = 200,
                              .drain_ms = 1000,
                              .publishing_max = 64,
                              .window_max = WINDOW,
                              .window_bytes_max = 1 << 20,
                              .has_tokens = true,
                              .ahead_bytes = 1 << 20,
                              .can_fetch = rule_off == RULE_KEEPS,
                              .seed = random_next(&x->random)};
    node->worker = worker_new(&config);
    if (node->worker == NULL)
        abort();
    node->has_heard = node->wants = true;
    jobs_record_t record = {.field = JOBS_SPEC, .spec = spec_of(x)};
    strcpy(record.job, "stream");
    node_step(x, node, &(worker_event_t){.type = WORKER_JOBS, .jobs = &record});
}

void node_end(node_t *node)
{
    if (node->worker == NULL)
        return;
    worker_actions_clear(&node->actions);
    worker_abandon(node->worker, &node->actions);
    for (size_t i = 0; i < node->actions.n; i++)
        if (node->actions.at[i].type == WORKER_RELEASE) {
            free(node->actions.at[i].release.payload);
            node->payloads_n--;
        }
    worker_free(node->worker);
    worker_actions_free(&node->actions);
    node->worker = NULL;
}

/* What it had sent arrives, as far as it was in the network: in its order, and perhaps late. */
void node_kill(world_t *x, size_t i)
{
    node_t *node = &x->nodes[i];
    if (node->worker == NULL)
        return;
    say(x, "%s is killed", node->member);
    x->deaths++;
    for (size_t k = 0; k < node->box_n; k++) {
        if (node->box[k].is_stored)
            continue;
        if (chance(x, 400) || x->orphans_n == BOX_MAX)
            break;
        x->orphans[x->orphans_n++] = node->box[k];
    }
    leave_group(x, node);
    /* It may be in the midst of a step: the core is freed when it is started again. */
    node->box_n = 0;
    node->has_heard = false;
    node->is_lost_due = true;
}

/* It learns that it is out. */
void node_hear(world_t *x, size_t i)
{
    node_t *node = &x->nodes[i];
    if (node->worker == NULL || node->is_lost_due || node->has_heard)
        return;
    node->has_heard = true;
    node_step(x, node, &(worker_event_t){.type = WORKER_LOST});
}

static void revoke(world_t *x, node_t *node)
{
    for (uint32_t l = 0; l < x->lanes_n && node->is_member; l++) {
        if (!node->owns[l])
            continue;
        worker_event_t event = {.type = WORKER_REVOKED};
        event.revoked.lane = (int32_t)l;
        node_step(x, node, &event);
        node->owns[l] = node->commits[l].is_sent = false;
    }
}

static void assign(world_t *x, node_t *node)
{
    for (uint32_t l = 0; l < x->lanes_n && node->is_member; l++) {
        stream_lane_t *lane = &x->lanes[l];
        if (lane->owner != (int)(node - x->nodes))
            continue;
        worker_event_t event = {.type = WORKER_ASSIGNED};
        event.assigned.lane = event.assigned.partition = (int32_t)l;
        event.assigned.offset = lane->was_committed ? lane->committed : lane->low;
        event.assigned.was_committed = lane->was_committed;
        event.assigned.metadata = lane->metadata;
        event.assigned.metadata_len = lane->metadata_len;
        event.assigned.member = node->member;
        event.assigned.stream = "stream";
        node->owns[l] = node->takes[l] = true;
        node->ownership[l] = ++x->ownerships_n;
        node->position[l] = event.assigned.offset;
        node_step(x, node, &event);
    }
    node_step(x, node, &(worker_event_t){.type = WORKER_REBALANCED, .member = node->member});
}

void nodes_deal(world_t *x, bool is_gentle)
{
    size_t members[NODES_MAX], n = 0;
    for (size_t i = 0; i < x->nodes_n; i++) {
        node_t *node = &x->nodes[i];
        if (node->worker == NULL || node->is_lost_due || !node->has_heard)
            continue;
        if (node->is_member && !is_gentle && chance(x, 250)) {
            node->has_heard = false; /* it is silent, and out: as good as dead */
            x->deaths++;
            continue;
        }
        revoke(x, node);
        if (node->member[0] == '\0') /* perhaps it has just left */
            snprintf(node->member, sizeof node->member, "m%llu", (unsigned long long)++x->members_n);
        node->is_member = true;
        members[n++] = i;
    }
    x->generation++;
    say(x, "generation %llu of the workers", (unsigned long long)x->generation);
    for (uint32_t l = 0; l < x->lanes_n; l++)
        x->lanes[l].owner = n > 0 ? (int)members[roll(x, n)] : -1;
    for (size_t k = 0; k < n; k++)
        x->nodes[members[k]].generation = x->generation;
    for (size_t k = 0; k < n; k++)
        assign(x, &x->nodes[members[k]]);
}
