#include "clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *take(size_t size)
{
    void *p = calloc(1, size ? size : 1);
    if (p == NULL)
        abort();
    return p;
}

void *take_copy(const void *bytes, size_t len)
{
    void *p = take(len);
    if (len > 0)
        memcpy(p, bytes, len);
    return p;
}

uint64_t dice(sim_clock_t *clock, uint64_t n)
{
    return random_below(&clock->random, n);
}

int64_t dice_between(sim_clock_t *clock, int64_t from, int64_t to)
{
    return to <= from ? from : from + (int64_t)dice(clock, (uint64_t)(to - from + 1));
}

bool dice_chance(sim_clock_t *clock, unsigned permille)
{
    return permille > 0 && dice(clock, 1000) < permille;
}

void clock_begin(sim_clock_t *clock, uint64_t seed)
{
    memset(clock, 0, sizeof *clock);
    random_seed(&clock->random, seed);
    clock->now_ms = CLOCK_START_MS;
}

static void drop_data(event_t *event)
{
    if (event->data != NULL)
        (event->drop != NULL ? event->drop : free)(event->data);
    event->data = NULL;
}

static void release(sim_clock_t *clock, event_t *event)
{
    drop_data(event);
    event->next = clock->spare;
    clock->spare = event;
}

void clock_end(sim_clock_t *clock)
{
    for (heap_node_t *node; (node = heap_pop(&clock->events)) != NULL;)
        release(clock, heap_of(node, event_t, node));
    heap_free(&clock->events);
    while (clock->spare != NULL) {
        event_t *event = clock->spare;
        clock->spare = event->next;
        free(event);
    }
}

event_t *clock_after(sim_clock_t *clock, int64_t delay_ms, event_fn run)
{
    event_t *event = clock->spare;
    if (event != NULL)
        clock->spare = event->next;
    else
        event = take(sizeof *event);
    *event = (event_t){.run = run};
    clock_again(clock, event, delay_ms);
    return event;
}

event_t *clock_tell(sim_clock_t *clock, int64_t delay_ms, process_t *to, event_fn run)
{
    event_t *event = clock_after(clock, delay_ms, run);
    event->to = to;
    event->life = to->life;
    return event;
}

static void put_at(sim_clock_t *clock, event_t *event, int64_t at_ms)
{
    if (!heap_put(&clock->events, &event->node, at_ms))
        abort();
}

void clock_again(sim_clock_t *clock, event_t *event, int64_t delay_ms)
{
    put_at(clock, event, clock->now_ms + (delay_ms > 0 ? delay_ms : 0));
}

/* True: the event was kept or dropped, not run. */
static bool not_now(sim_clock_t *clock, event_t *event)
{
    process_t *to = event->to;
    if (to == NULL)
        return false;
    if (to->life != event->life || to->state == PROCESS_DEAD) {
        release(clock, event);
        return true;
    }
    if (to->state == PROCESS_RUNS)
        return false;
    event->next = NULL;
    *to->inbox_end = event;
    to->inbox_end = &event->next;
    return true;
}

bool clock_step(sim_clock_t *clock, sim_t *sim)
{
    heap_node_t *node = heap_pop(&clock->events);
    if (node == NULL)
        return false;
    event_t *event = heap_of(node, event_t, node);
    if (node->key > clock->now_ms)
        clock->now_ms = node->key;
    if (not_now(clock, event))
        return true;
    clock->run_n++;
    event->run(sim, event);
    if (!heap_has(&event->node))
        release(clock, event);
    return true;
}

void process_begin(process_t *process, const char *name, void *self)
{
    memset(process, 0, sizeof *process);
    snprintf(process->name, sizeof process->name, "%s", name);
    process->inbox_end = &process->inbox;
    process->state = PROCESS_DEAD;
    process->self = self;
}

void process_start(process_t *process)
{
    process->life++;
    process->state = PROCESS_RUNS;
}

void process_stop(process_t *process)
{
    if (process->state == PROCESS_RUNS)
        process->state = PROCESS_STOPPED;
}

/* What waited comes at once, in its order, before anything newer. */
void process_continue(sim_clock_t *clock, process_t *process)
{
    if (process->state != PROCESS_STOPPED)
        return;
    process->state = PROCESS_RUNS;
    event_t *event = process->inbox;
    process->inbox = NULL;
    process->inbox_end = &process->inbox;
    while (event != NULL) {
        event_t *next = event->next;
        put_at(clock, event, clock->now_ms - 1); /* before what is due at this very moment */
        event = next;
    }
}

void process_die(sim_clock_t *clock, process_t *process)
{
    process->state = PROCESS_DEAD;
    process->life++;
    while (process->inbox != NULL) {
        event_t *event = process->inbox;
        process->inbox = event->next;
        release(clock, event);
    }
    process->inbox_end = &process->inbox;
}
