/* Which worker puts the records of the jobs topic that nobody can use on the dead letters (pure). Every worker reads that
 * topic, from its start, at each start; the records are to be put away once.
 *
 * The happy path: a worker that has read one waits a moment, then writes a claim on a range of offsets to the jobs topic
 * itself (key "-dead", see schemas/README.md). All read the claims in one order, and of those with one number the first
 * counts. Whoever reads that its own counts puts the range away, and writes that it is done. Whoever comes later reads that
 * too, and leaves those records alone.
 *
 * What can fail: a claimant dies. After BURIAL_PATIENCE_MS the others claim the same range under the next number, and some
 * records may be put away twice. */
#ifndef WORKER_CORE_BURIAL_H
#define WORKER_CORE_BURIAL_H

#include "schemas/jobs.h"

enum { BURIAL_WAIT_MS = 1000, BURIAL_SPREAD_MS = 1000, BURIAL_PATIENCE_MS = 60000 };

typedef enum { BURIAL_NOTHING, BURIAL_CLAIM, BURIAL_BURY } burial_do_t;

typedef struct {
    char me[JOBS_DEAD_WHO_MAX + 1];
    int64_t until;  /* below it all is put away */
    int64_t behind; /* the last record that nobody can use is right before it */
    jobs_dead_t claim;
    int64_t due_ms; /* when to claim */
    bool is_burying;
} burial_t;

/* `me` names this worker among all. Both are copied. */
void burial_init(burial_t *burial, const char *me);
/* The record at `offset` is none that can be used. */
void burial_bad(burial_t *burial, int64_t offset, int64_t now_ms);
/* A claim, or a word that one is done, read at `offset`. */
void burial_mark(burial_t *burial, const jobs_dead_t *mark, int64_t offset, int64_t now_ms);
/* What to do now. CLAIM: write *ret. BURY, once: put away what is in *ret, then call burial_done. */
burial_do_t burial_next(burial_t *burial, int64_t now_ms, jobs_dead_t *ret);
/* *ret is to be written: the range of the BURY before is put away. */
void burial_done(burial_t *burial, jobs_dead_t *ret);
/* When burial_next has something to say by itself; INT64_MAX: only after another record. */
int64_t burial_next_ms(const burial_t *burial);

#endif
