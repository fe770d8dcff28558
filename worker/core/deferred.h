/* Records that were put off, by their offsets alone: see deferred.c. */
#ifndef WORKER_CORE_DEFERRED_H
#define WORKER_CORE_DEFERRED_H

#include "worker/core/core.h"

struct worker_job;
struct worker_part;

/* All of them are the job's; from == to: all were read again. */
typedef struct {
    int64_t from, to;
    struct worker_job *job;
} deferred_run_t;

/* Those of one partition, ascending, and the reader that brings some of them back. */
typedef struct {
    deferred_run_t *runs;
    size_t n, cap;
    bool is_read; /* there is one, which comes to this offset next: */
    int64_t next;
} deferred_t;

/* A record that has just arrived is put off. False: it is to be taken. */
bool deferred_add(worker_t *w, struct worker_part *part, struct worker_job *job, int64_t offset);
/* A record came again that WORKER_FETCH asked for. True: it is wanted now, and no longer put off. */
bool deferred_take(worker_t *w, struct worker_part *part, int64_t offset);
/* Kafka has nothing below `low` any more; -1: nobody knows. The reader is over. */
void deferred_over(worker_t *w, struct worker_part *part, int64_t low);
/* The job has ended: what was put off of it is finished. */
void deferred_finish(worker_t *w, struct worker_job *job);
/* The partition goes. */
void deferred_forget(worker_t *w, struct worker_part *part);
/* What is read again now. */
void deferred_turn(worker_t *w);
int64_t deferred_next_ms(const worker_t *w);

#endif
