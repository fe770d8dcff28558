/* The inside of slots_t: shared by the files of the worker's side only. */
#ifndef SLOTS_POOL_POOL_H
#define SLOTS_POOL_POOL_H

#include <sys/types.h>

#include "slots/shared/board.h"
#include "slots/shared/cgroup.h"
#include "slots/shared/ctl.h"
#include "slots/shared/plan.h"
#include "slots/slots.h"

enum {
    BEAT_MS = 1000,
    GUARDIAN_SILENT_MS = 3000,
    CLOSE_WAIT_MS = 2000,
    BYE_MS = 800,           /* for what a slot that runs nothing wants to do before it ends */
    LASTS_MS = 5,           /* a served run that takes longer gives back what was told behind it */
    BYE_SPARE_MS = 200,     /* after it, for its supervisor to end the rest */
    LOST_STEP_MS = 10,      /* after a lost guardian: between two looks at what still lives */
    LOST_PATIENCE_MS = 200, /* before supervisors are killed that should have left by themselves */
    LOST_MAX_MS = 5000,     /* an unkillable process holds nobody up for longer */
    PULL_MS_MIN = 2,
    PULL_MS_MAX = 16,
    RESTART_MS_MIN = 100, /* of a slot that ends without having run anything; doubled up to the maximum */
    RESTART_MS_MAX = 5000,
    START_FAILURES = 5,        /* in a row, and nothing is up: the pool gives up */
    START_FAILURES_SHORT = 20, /* where the machine is short of something, which may pass: more than a minute */
    STEADY_MS = 60000,         /* a guardian that lived so long is started again at once */
    LOOK_AHEAD_MS = 2000       /* a nearer deadline must be told to the guardian, who looks every second anyway */
};

/* A run that was sent and whose end is not known. */
typedef struct {
    uint32_t n;
    bool revoked; /* taken back; its frame may still lie in the socket */
} inflight_run_t;

/* First in, first out. */
typedef struct {
    inflight_run_t *at;
    size_t first, n, cap; /* cap: a power of two */
    size_t live;          /* how many are not revoked */
} inflight_t;

/* The worker's end of a data socket. */
typedef struct {
    int fd; /* -1: closed */
    loop_watch_t *watch;
    buf_t out;
    bool was_used; /* something listens there */
} pipe_end_t;

typedef enum { SLOT_OFF, SLOT_ASKED, SLOT_UP } slot_state_t;

/* The task host has a data socket of its own; the supervisor runs commands and served programs over the other. */
enum { END_HOST, END_SUPERVISOR, SLOT_ENDS };

typedef struct {
    slots_t *pool;
    uint32_t number, generation;
    slot_state_t state;
    board_t *board;
    int start_fds[CTL_START_FDS]; /* until the guardian was asked; -1 */
    pipe_end_t ends[SLOT_ENDS];
    int pidfd; /* of the supervisor, once it is up */
    pid_t pid;

    task_engine_t engine;
    uint32_t job_key;
    size_t frame_max; /* of a result: by the job's bound of values */
    bool has_job;
    uint32_t next_n, unflushed; /* the last `unflushed` runs were not granted yet */
    inflight_t inflight;
    buf_t in; /* results read from the ring and not handled */

    bool is_leaving; /* it was told bye */
    bool is_killing; /* slots_kill closed the board: the process may leave before the guardian ends it */
    bool owes_kill, freeze_wanted, freeze_sent, is_corrupt;
    uint32_t kill_grace_ms;
    bool has_run; /* something was claimed in this life */
    uint32_t restart_ms;
    unsigned failures;   /* starts in a row after which it did not come up */
    int64_t start_at_ms; /* OFF: when to ask */
} slot_t;

typedef struct {
    uint32_t job_key;
    int64_t at_ms;
} lapse_t;

struct slots {
    loop_t *loop;
    slots_callbacks_t callbacks;
    void *arg;
    plan_t plan;
    int log_fd, plan_fd;
    size_t value_bytes_max;

    pid_t guardian_pid; /* 0: none */
    int ctl_fd;
    loop_watch_t *ctl_watch;
    loop_timer_t *beat_timer, *pull_timer, *step_timer; /* step: restarts, and the end of a lost guardian */
    int64_t started_ms, last_message_ms, beat_at_ms;    /* of the guardian */
    bool owes_look, ctl_is_full;
    char abilities[BOARD_TEXT_BYTES];

    bool is_lost;    /* the guardian is being cleaned up after */
    pid_t lost_pid;  /* of the guardian that was lost, */
    int lost_status; /* and its wait status */
    bool was_silent;
    int64_t lost_at_ms;
    uint32_t restart_ms;
    int64_t start_at_ms; /* no guardian: when to start one */
    unsigned failures;   /* guardians in a row under which no slot came up */
    bool is_proven;      /* a slot came up under this guardian */
    bool has_failed;     /* it was told: nothing is started any more */

    unsigned pull_ms;
    slot_t *slots;
    lapse_t *lapses;
    size_t lapses_n, lapses_cap;
};

/* ---- guardian_link.c: the worker's side of the guardian ---- */

/* On failure *ret_errno says of what kind; 0: none that the system knows. */
int guardian_start(slots_t *s, int *ret_errno, fanmap_error_t *err);
/* Tells the guardian whatever it was not told yet: starts, kills, freezes. */
void guardian_send_pending(slots_t *s);
/* Closes the socket, upon which the guardian ends everything below it and itself. Waits for that at most `wait_ms`, then
 * kills it and what it has left. */
void guardian_close(slots_t *s, int64_t wait_ms);
void guardian_on_beat(void *arg);
void guardian_on_step(void *arg);
void guardian_plan_step(slots_t *s, int64_t at_ms);

/* ---- lost_guardian.c ---- */

/* The guardian is gone, or silent: it is killed, and guardian_clean_up is to be called until it is done. */
void guardian_lose(slots_t *s, bool was_silent);
/* One step of the cleaning. When nothing is left the end is reported, and the start of a new guardian planned. */
void guardian_clean_up(slots_t *s, int64_t now_ms);
/* Kills what is left of a guardian. Returns true when nothing is. */
bool guardian_kill_left(slots_t *s, pid_t guardian, int64_t now_ms);
/* When to start a guardian: each time later. */
void guardian_plan_start(slots_t *s, int64_t now_ms);

/* ---- start_failure.c ---- */

/* One more start that came to nothing, counted in `failures`: says so, and gives the pool up where that is enough. */
void start_failed(slots_t *s, unsigned *failures, bool is_short, const char *why);

/* ---- slot_life.c: the lives of one slot ---- */

/* Makes board and sockets for a new life; the guardian is asked by guardian_send_pending. */
int slot_prepare(slot_t *t, fanmap_error_t *err);
void slot_went_up(slot_t *t, const ctl_message_t *m, int pidfd);
/* Reports the end of a life and gets ready for the next one. */
void slot_went_down(slot_t *t, const ctl_message_t *m);
void slot_release(slot_t *t);
/* When to start it again; `has_run`: at once. */
void slot_plan_restart(slot_t *t, bool has_run);

/* ---- slot_io.c: runs out, results in ---- */

/* Where the runs of the slot's job go. */
pipe_end_t *slot_end(slot_t *t);
void slot_pull(slot_t *t);
void slot_send(slot_t *t, pipe_end_t *end);
void slot_on_data(void *arg, int fd, unsigned events);
void slots_on_pull(void *arg);
/* A look at the rings soon: something may lie there for which no bell was rung. */
void slots_pull_soon(slots_t *s, unsigned in_ms);

/* ---- shutdown.c ---- */

/* Tells slots that run nothing to leave by themselves and waits for them, `wait_ms` in all. */
void slots_shut_down_idle(slots_t *s, int64_t wait_ms);

/* ---- inflight.c ---- */

bool inflight_push(inflight_t *q, uint32_t n);
/* NULL: empty. */
inflight_run_t *inflight_head(const inflight_t *q);
/* Drops everything up to and with n, and what is revoked after it. */
void inflight_pop_through(inflight_t *q, uint32_t n);
/* From n on, and up to `to` (not included). */
void inflight_revoke(inflight_t *q, uint32_t n, uint32_t to);
bool inflight_has(const inflight_t *q, uint32_t n);
void inflight_clear(inflight_t *q);
void inflight_free(inflight_t *q);

#endif
