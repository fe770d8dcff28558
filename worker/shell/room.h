/* What only an embedded worker keeps: whether this machine has room for another attempt (--memfree, --load), and a timeout
 * by how long attempts took so far (--timeout N%). */
#ifndef WORKER_SHELL_ROOM_H
#define WORKER_SHELL_ROOM_H

#include <stdbool.h>
#include <stdint.h>

#include "io/loop/loop.h"
#include "worker/shell/median.h"

typedef struct worker_shell worker_shell_t;

typedef struct {
    loop_timer_t *timer; /* NULL: nobody looks */
    bool holds;
    uint32_t timeout_ms; /* 0: none yet */
    median_t run_us;     /* of values */
} room_t;

/* By the texts of /proc/meminfo and /proc/loadavg, which may be empty: what is not known holds nothing up. memfree_bytes
 * and load_max 0: any. Of the processes that run, one is whoever reads. Pure. */
bool room_is_there(const char *meminfo, const char *loadavg, uint64_t memfree_bytes, uint32_t load_max);
/* Looks from now on, where the config wants it. */
int shell_watch_room(worker_shell_t *shell, fanmap_error_t *err);
/* An attempt has taken so long to its value. */
void shell_note_run(worker_shell_t *shell, uint64_t run_us);

#endif
