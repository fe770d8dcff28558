/* Virtual time: a queue of events, the seeded dice, and the processes that events belong to.
 *
 * Nothing else moves the simulation: an event's function runs at its time and puts further events in. The same seed
 * gives the same run, to the last event. Times are ms; the clock starts at 1,000,000 so that nothing may take 0 for
 * "never". */
#ifndef SIMULATION_CLOCK_H
#define SIMULATION_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/heap.h"
#include "base/random.h"

typedef struct sim sim_t;
typedef struct event event_t;
typedef struct process process_t;
typedef void (*event_fn)(sim_t *sim, event_t *event);

enum { CLOCK_START_MS = 1000000 };

typedef enum { PROCESS_RUNS, PROCESS_STOPPED, PROCESS_DEAD } process_state_t;

/* Something that can stop and die: a worker, or a program that maps. What arrives while it is stopped waits in its
 * inbox, as in sockets; what arrives after its death is gone. */
struct process {
    char name[16];
    process_state_t state;
    uint64_t life;        /* rises at every start: messages to an earlier life are void */
    uint64_t joins;       /* how often it lost its place in the group and joined anew */
    int64_t clock_off_ms; /* its CLOCK_BOOTTIME less the simulation's time */
    bool kafka_cut, redis_cut;
    event_t *inbox, **inbox_end;
    void *self;
};

struct event {
    heap_node_t node;
    event_fn run;
    process_t *to; /* NULL: not to a process */
    uint64_t life; /* of `to` when this was sent */
    uint64_t a, b, c;
    int64_t x, y;
    void *data;               /* freed behind `run`, unless taken (set to NULL) */
    void (*drop)(void *data); /* NULL: free */
    event_t *next;
};

typedef struct {
    heap_t events;
    random_t random;
    int64_t now_ms;
    uint64_t run_n;
    event_t *spare; /* used again: most of the cost would be malloc */
} sim_clock_t;

void clock_begin(sim_clock_t *clock, uint64_t seed);
void clock_end(sim_clock_t *clock);
/* A new event in `delay_ms` (0: behind those due now). The caller fills in the rest. Never NULL. */
event_t *clock_after(sim_clock_t *clock, int64_t delay_ms, event_fn run);
/* The same as a message to a process in its present life. */
event_t *clock_tell(sim_clock_t *clock, int64_t delay_ms, process_t *to, event_fn run);
/* From inside `run`: the same event again, later. */
void clock_again(sim_clock_t *clock, event_t *event, int64_t delay_ms);
/* Runs the next event. False: there is none. */
bool clock_step(sim_clock_t *clock, sim_t *sim);

void process_begin(process_t *process, const char *name, void *self);
void process_stop(process_t *process);
void process_continue(sim_clock_t *clock, process_t *process);
void process_die(sim_clock_t *clock, process_t *process);
void process_start(process_t *process);

uint64_t dice(sim_clock_t *clock, uint64_t n);                      /* 0..n-1 */
int64_t dice_between(sim_clock_t *clock, int64_t from, int64_t to); /* both included */
bool dice_chance(sim_clock_t *clock, unsigned permille);
/* malloc that cannot fail, here. */
void *take(size_t size);
void *take_copy(const void *bytes, size_t len);

#endif
