/* A large fleet and what it asks for: scale.c runs it, scale_table.c says what it costs. */
#ifndef SIMULATION_SCALE_H
#define SIMULATION_SCALE_H

#include <stddef.h>

enum {
    SCALE_SLOTS_N = 32,  /* of each worker */
    SCALE_ROUNDS_N = 10, /* items of a job for each of its places */
    SCALE_ITEM_MS = 1000 /* on average */
};

typedef struct {
    double syncs_s, wakes_s;   /* Redis: calls of the script, and the wake-ups that it published */
    double packs_s, commits_s; /* Kafka: records of outcomes, and commits */
    double makespan;           /* against slots that are never empty */
    double fairness;           /* the end of the last job against that of the first; all have as much to do */
} scale_t;

scale_t scale_run(size_t workers_n, size_t jobs_n);

/* Prints the table. With a page (docs/scale.md): checks that it has each of its lines. 0: it does. */
int scale_table(const char *page);

#endif
