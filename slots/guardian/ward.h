/* One slot as the guardian sees it: a supervisor process, its board, and what has to be done to it and when.
 *
 *   EMPTY ──start──► STARTING ──its `up`──► UP ──end──► ENDING ──left or killed──► SWEEPING ──nothing lives──► EMPTY
 *                       │                    │                                         ▲                     + `down`
 *                       └────────────────────┴──────────── it died by itself ──────────┘
 *
 * The supervisor ends its attempt itself (it is the parent, and knows what was on stderr). What it has not done half a
 * second after the grace period the guardian does to the whole slot, the supervisor included.
 */
#ifndef SLOTS_GUARDIAN_WARD_H
#define SLOTS_GUARDIAN_WARD_H

#include "slots/shared/board.h"
#include "slots/shared/cgroup.h"
#include "slots/shared/container.h"
#include "slots/shared/controls.h"
#include "slots/shared/ctl.h"
#include "slots/shared/plan.h"

typedef enum { WARD_EMPTY, WARD_STARTING, WARD_UP, WARD_ENDING, WARD_SWEEPING } ward_state_t;

enum { WARD_HARD_MS = 500, WARD_SWEEP_MS = 2, WARD_LAPSED_KILL_MS = 60000 };

typedef struct {
    uint32_t slot, generation;
    ward_state_t state;
    pid_t pid;
    int pidfd, link_fd, cgroup_fd;
    board_t *board;
    int64_t hard_at_ms; /* ENDING: when the guardian itself kills */
    bool is_ordered;    /* the end was the guardian's or the worker's wish */
    bool has_report;    /* the supervisor said how it ended */
    ctl_message_t down; /* gathered while it ends */
    ctl_message_t note; /* the last one */
    bool owes_up, owes_note, owes_down;
    bool freeze_asked, is_lapsed, is_frozen;
    int64_t frozen_since_ms, thawed_at_ms; /* the last freeze */
    uint32_t frozen_n; /* run that was frozen for frozen_ms in all; its timeout is that much later */
    int64_t frozen_ms;
    pid_t kill_pid; /* ends the attempt's container by name; 0: none */
    int64_t kill_until_ms;
} ward_t;

typedef struct {
    plan_t plan;
    int plan_fd, log_fd, ctl_fd; /* log_fd: -1 nowhere */
    cgroup_root_t cgroups;
    controls_t controls;
    ward_t *wards;
    uint32_t wards_n;
    pid_t sweeper_pid;       /* ends containers that dead guardians left; 0: none */
    int64_t last_message_ms; /* when the worker last said something */
} guardian_t;

/* Takes the three descriptors of CTL_START (closes them in any case). A failure becomes an owed `down`. */
void ward_start(guardian_t *g, ward_t *w, uint32_t generation, int *fds);
/* Ends the slot: TERM, grace, KILL. Again with a shorter grace period hastens it. */
void ward_end(ward_t *w, slot_down_why_t why, uint32_t grace_ms, int64_t now_ms);
/* A message of its supervisor, or the end of the link. */
void ward_read_link(ward_t *w);
/* Its supervisor was reaped. */
void ward_exited(ward_t *w, int status);
/* Ends the container that the slot's last attempt left, if any, by its name. Returns true if that is done. */
bool ward_end_container(const guardian_t *g, ward_t *w, int64_t now_ms);
/* Does what is due and returns when to come back at the latest. */
int64_t ward_tick(guardian_t *g, ward_t *w, int64_t now_ms);

/* ---- freeze.c ---- */

/* Freezes and thaws as freeze_asked and is_lapsed say. */
void ward_apply_freeze(ward_t *w, int64_t now_ms);
/* How long the run has been frozen so far. */
int64_t ward_frozen_ms(ward_t *w, uint32_t n, int64_t started_ms);

/* ---- spawn.c ---- */

/* Starts the supervisor into the slot's cgroup. -1 with errno. */
pid_t ward_spawn(const guardian_t *g, const ward_t *w, int link_fd, const int *fds);

#endif
