/* The worker's side of its slots: K places, each of which runs one attempt at a time in processes of its own.
 *
 *   worker ──ctl socket── guardian ──link── supervisor (one a slot) ── task host (.so tasks, lives on)
 *     └────── one data socket a slot and engine ───────────────┘     └ command (one process an item)
 *     └────── board: shared memory, one a slot, mapped by all four (slots/shared/board.h)
 *
 * Several runs of one job may be sent to a slot ahead; they wait there unstarted and can be taken back. The process in
 * the slot claims each run on the board before it starts it, so a run is either started or taken back, never both.
 * Every function here is called from the worker's thread and never blocks. Callbacks come from inside the loop.
 */
#ifndef SLOTS_SLOTS_H
#define SLOTS_SLOTS_H

#include "io/loop/loop.h"
#include "schemas/slotwire.h"
#include "slots/shared/ctl.h"
#include "slots/shared/task.h"

typedef struct slots slots_t;

typedef struct {
    uint32_t slots_n;
    const slots_task_t *tasks; /* copied */
    size_t tasks_n;
    int log_fd;          /* where the attempts' own output goes, each line with job, index and attempt; -1: nowhere */
    uint32_t session_ms; /* the guardian kills everything when the worker was silent for half of it; 0: never */
    size_t value_bytes_max;    /* a job's own bound counts, up to this */
    uint32_t start_timeout_ms; /* TASK_SERVE: from a program's start until it is ready; 0: a minute */
    const char *task_user;     /* whom attempts run as; NULL: who this is */
    bool new_privileges;       /* setuid programs work in attempts */
    uint32_t bye_ms;           /* what runs nothing has so long to end by itself at slots_close; 0: 800 ms */
    uint32_t lasts_ms; /* TASK_SERVE: a run that takes longer gives back what its program was told behind it; 0: 5 ms */
} slots_config_t;

/* The end of what a slot ran without a `done` of its own. The slot restarts by itself; on_up follows. */
typedef struct {
    slot_down_why_t why;
    bool has_attempt; /* run n had been started and is over now */
    uint32_t n;
    uint32_t unstarted_from; /* runs from this n on were never started and never will be */
    int exit_status, signo;
    bool out_of_memory;
    bool is_short; /* SLOT_DOWN_UNUSABLE: for lack of processes, memory or descriptors, and not by the task's fault */
    const char *stderr_tail; /* borrowed */
    size_t stderr_len;
    const char *message; /* NUL-terminated, "" when there is nothing to say */
} slot_down_t;

typedef struct {
    void (*up)(void *arg, uint32_t slot);
    void (*done)(void *arg, uint32_t slot, const slot_done_t *done); /* in order of n */
    void (*down)(void *arg, uint32_t slot, const slot_down_t *down); /* a slot that was up */
    /* The guardian was silent for 3 s or is gone: everything was killed; every slot also gets its `down`. The pool
     * starts a new guardian by itself. `why` says how it ended; borrowed. */
    void (*guardian_lost)(void *arg, const char *why);
    /* A line for the log about a slot that goes on; borrowed. */
    void (*note)(void *arg, uint32_t slot, const char *line);
    /* Guardian or slots cannot be started, and the pool tries again: a line that says why; borrowed. */
    void (*trouble)(void *arg, const char *line);
    /* It has tried often enough and nothing is up: the pool starts nothing any more. Once; close it later, not from
     * inside. */
    void (*failed)(void *arg, const fanmap_error_t *err);
    /* Runs `from` to `to` (not included) were not begun and never will be, as after slots_take_back. */
    void (*back)(void *arg, uint32_t slot, uint32_t from, uint32_t to);
} slots_callbacks_t;

/* What later runs of a slot belong to. */
typedef struct {
    const char *job;
    const slots_task_t *task;
    uint32_t attempts_max, value_bytes_max, timeout_ms, grace_ms;
    bool
        holds_on_error; /* after an error nothing more starts in the slot until slots_take_back, or until it is empty */
    limits_t limits; /* what the job asks for; of it and the task's own the smaller ones count, as with the timeout */
    const uint8_t *bound;
    size_t bound_len;
    uint32_t parts;          /* of zipped items: how many each has; 0: not zipped */
    const char *traceparent; /* NULL or "": none */
    uint64_t trace_salt;
} slots_job_t;

/* Starts the guardian and through it the slots; each announces itself by `up`. Raises this process's soft limit of open
 * files where the slots need more; attempts keep what it was. FANMAP_EUSAGE: the hard limit is too low. */
int slots_open(loop_t *loop, const slots_config_t *config, const slots_callbacks_t *callbacks, void *arg, slots_t **ret,
               fanmap_error_t *err);
/* Kills what still runs, lets the others close what they have open (bounded: 1 s), and waits for the guardian to end
 * (bounded: 2 s). */
void slots_close(slots_t *slots);
/* One line for the start-up log: how attempts are killed and frozen here. "" until the guardian has said it (before the
 * first `up`). */
const char *slots_abilities(const slots_t *slots);
/* Sets the job of the runs that follow; only while nothing is in the slot. `job_key` is the caller's number for the
 * job: by it slots_set_lapse finds the slots that the job is in. */
void slots_set_job(slots_t *s, uint32_t slot, uint32_t job_key, const slots_job_t *job);
/* The next `n` runs of the slot, in which nothing waits, are one call: a task that can takes them at once. */
void slots_call(slots_t *s, uint32_t slot, uint32_t n);
/* Queues one run and returns its number n (rising by one, per slot, for ever). The caller bounds how many
 * wait there. The bytes are copied. Nothing leaves before slots_flush. */
uint32_t slots_run(slots_t *s, uint32_t slot, const slot_run_t *run);
/* Sends what slots_run has queued, and tells the guardian of nearer lapses. */
void slots_flush(slots_t *s);
/* Takes back every run of this slot that was not started and returns the first n taken back (the next n when there was
 * none). */
uint32_t slots_take_back(slots_t *s, uint32_t slot);
/* Ends run n: TERM to everything it started, grace, KILL; `down` follows with SLOT_DOWN_KILLED, unless its `done` came
 * before. now: KILL without grace. What waits behind it is taken back: `down` says from where. */
void slots_kill(slots_t *s, uint32_t slot, uint32_t n, bool now);
/* Stops and continues everything the slot's attempt started (freezer of cgroup v2 where there is one, else SIGSTOP). */
void slots_freeze(slots_t *s, uint32_t slot, bool freeze);
/* The CLOCK_BOOTTIME in ms at which the guardian freezes every slot whose job has this key; INT64_MAX: no limit. */
void slots_set_lapse(slots_t *s, uint32_t job_key, int64_t lapse_at_ms);
/* What runs may last from now on, in every slot that has a job, until that gets another. */
void slots_set_timeout(slots_t *s, uint32_t timeout_ms);

#endif
