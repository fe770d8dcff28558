/* Hand-off between workers: requests as Redis passes them on, late or never, and copies of items. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node_internal.h"
#include "schemas/item.h"

enum {
    SEATS_MAX = 4,
    LOST_PERMILLE = 100,
    LATE_MS = 400,
    HELD_PERMILLE = 100,
    HELD_MS = 3000,
    OFFER_ANEW_MS = 500,
    UNHEARD_MS = 100
};

typedef struct {
    uint32_t free_n;
    size_t seats_n;
    worker_seat_t seats[SEATS_MAX];
} begging_t;

static uint32_t task_at(const node_t *node, uint32_t place)
{
    uint32_t task = 0;
    for (uint32_t t = 0; t < TASKS_MAX; t++)
        if (node->tasks >> t & 1 && place-- == 0)
            task = t;
    return task;
}

static bool serves(const node_t *node, uint32_t task)
{
    return node->tasks >> task & 1;
}

/* The seats come with tasks as all know them. */
static void on_begged(sim_t *sim, event_t *event)
{
    node_t *node = event->to->self;
    const begging_t *begging = event->data;
    worker_seat_t seats[SEATS_MAX];
    worker_event_t hungry = {.type = WORKER_HUNGRY};
    hungry.hungry.seats = seats;
    hungry.hungry.free_n = begging->free_n;
    for (size_t i = 0; i < begging->seats_n; i++)
        if (serves(node, begging->seats[i].task))
            seats[hungry.hungry.seats_n++] =
                (worker_seat_t){node_place_of(node, begging->seats[i].task), begging->seats[i].partition};
    node_step(sim, node, &hungry);
}

static uint64_t backlog_ms(const node_t *node, const begging_t *begging)
{
    uint64_t most_ms = 0;
    for (size_t i = 0; i < begging->seats_n; i++) {
        uint32_t task = begging->seats[i].task;
        uint64_t ms = serves(node, task) ? worker_backlog_ms(node->worker, node_place_of(node, task)) : 0;
        most_ms = ms > most_ms ? ms : most_ms;
    }
    return most_ms;
}

/* As worker/shell/handoff.c says it, and tokens/redis_handoff.c keeps it. */
static void offer(sim_t *sim, node_t *node)
{
    if (node->process.state != PROCESS_RUNS)
        return;
    uint64_t ms = worker_backlog_ms(node->worker, 0);
    if (sim->clock.now_ms >= node->anew_ms) {
        node->anew_ms = sim->clock.now_ms + OFFER_ANEW_MS;
        node->said_ms = node->said_ms > 0;
    }
    if (ms != node->said_ms && (ms == 0 || ms / 2 >= node->said_ms || ms < node->said_ms / 2))
        node->offer_ms = node->said_ms = ms;
}

static void on_offer(sim_t *sim, event_t *event)
{
    offer(sim, &sim->nodes[event->a]);
    clock_again(&sim->clock, event, NODE_OFFER_EVERY_MS);
}

void node_offers(sim_t *sim, node_t *node, int64_t in_ms)
{
    clock_after(&sim->clock, in_ms, on_offer)->a = node->number;
}

/* Whoever has most waiting, as Redis knows it; what a stopped one said is still there for a while. */
static node_t *most_waiting(sim_t *sim, const node_t *but, const begging_t *begging)
{
    node_t *most = NULL;
    uint64_t most_ms = 0;
    for (size_t i = 0; i < sim->nodes_n; i++) {
        node_t *node = &sim->nodes[i];
        if (node == but || node->process.state == PROCESS_DEAD || node->process.redis_cut)
            continue;
        uint64_t ms = sim->scenario.has_handoff ? node->offer_ms : backlog_ms(node, begging);
        if (ms <= most_ms)
            continue;
        most = node;
        most_ms = ms;
    }
    return most;
}

void node_beg(sim_t *sim, node_t *node, uint32_t free_n)
{
    begging_t begging = {.free_n = free_n};
    begging.seats_n = worker_seats(node->worker, begging.seats, SEATS_MAX);
    for (size_t i = 0; i < begging.seats_n; i++)
        begging.seats[i].task = task_at(node, begging.seats[i].task);
    node_t *other = most_waiting(sim, node, &begging);
    bool is_quiet = sim->scenario.is_golden;
    if (other == NULL || sim->redis.down || node->process.redis_cut ||
        (!is_quiet && dice_chance(&sim->clock, LOST_PERMILLE)))
        return;
    other->offer_ms /= 2;
    int64_t late_ms = is_quiet ? 2 : dice_between(&sim->clock, 1, LATE_MS);
    event_t *event = clock_tell(&sim->clock, late_ms, &other->process, on_begged);
    event->data = take_copy(&begging, sizeof begging);
}

static void on_copy_stored(sim_t *sim, event_t *event)
{
    node_t *node = event->to->self;
    node_pack_t **at = &node->sent;
    while (*at != NULL && (*at)->cookie != event->a)
        at = &(*at)->next;
    node_pack_t *pack = *at;
    if (pack == NULL)
        return;
    *at = pack->next;
    worker_event_t stored = {.type = event->x < 0 ? WORKER_NOT_HANDED : WORKER_STORED};
    stored.stored.items = pack->items;
    stored.stored.n = pack->n;
    node_step(sim, node, &stored);
    free(pack);
}

typedef struct {
    int32_t partition;
    uint64_t cookie;
    char job[JOB_ID_MAX + 1];
    size_t len;
    uint8_t value[];
} copy_t;

static void on_copy_due(sim_t *sim, event_t *event)
{
    const copy_t *copy = event->data;
    kafka_produce(sim, event->to, TOPIC_ITEMS, copy->partition, copy->job, strlen(copy->job), copy->value, copy->len,
                  copy->cookie, on_copy_stored);
}

/* The client may hold a copy back for a while: its outbox is full, or it is about to die. */
static void send_copy(sim_t *sim, node_t *node, const worker_action_t *action, uint64_t cookie)
{
    buf_t value = {0};
    item_encode_copy(&value, action->hand_off.index, action->hand_off.in, action->hand_off.in_len,
                     action->hand_off.hops, action->hand_off.attempts);
    copy_t *copy = take(sizeof *copy + value.len);
    uint32_t task = sim_task_of(sim, action->hand_off.lane);
    copy->partition = (int32_t)(task * sim->scenario.items_partitions) + action->hand_off.partition;
    copy->cookie = cookie;
    snprintf(copy->job, sizeof copy->job, "%s", action->hand_off.job);
    copy->len = value.len;
    memcpy(copy->value, value.data, value.len);
    bool is_held = !sim->scenario.is_golden && dice_chance(&sim->clock, HELD_PERMILLE);
    int64_t wait_ms = is_held ? dice_between(&sim->clock, 0, HELD_MS) : 0;
    clock_tell(&sim->clock, wait_ms, &node->process, on_copy_due)->data = copy;
    buf_free(&value);
}

/* Once a copy has had no answer for a while the worker knows that its place may be lost, and its items be another's. */
static void check_heard(sim_t *sim, node_t *node)
{
    if (kafka_reaches(sim, &node->process))
        return;
    if (node->unheard_ms == 0)
        node->unheard_ms = sim->clock.now_ms;
    if (sim->clock.now_ms - node->unheard_ms > UNHEARD_MS)
        sim_break(sim, "%s hands on what Kafka has not heard of for %lld ms", node->process.name,
                  (long long)(sim->clock.now_ms - node->unheard_ms));
}

void node_hand_off(sim_t *sim, node_t *node, const worker_action_t *action)
{
    node_pack_t *pack = take(sizeof *pack);
    check_heard(sim, node);
    pack->cookie = ++node->cookies;
    pack->items[pack->n++] = action->hand_off.item;
    pack->next = node->sent;
    node->sent = pack;
    sim_say(sim, "%s hands %s/%llu to partition %d", node->process.name, action->hand_off.job,
            (unsigned long long)action->hand_off.index, (int)action->hand_off.partition);
    sim_handed(sim, &node->process, sim_job(sim, action->hand_off.job, strlen(action->hand_off.job)),
               action->hand_off.index);
    send_copy(sim, node, action, pack->cookie);
    if (!sim_protects(sim, PROTECTION_HANDED)) {
        event_t *event = clock_tell(&sim->clock, 0, &node->process, on_copy_stored);
        event->a = pack->cookie;
    }
}
