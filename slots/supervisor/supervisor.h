/* The supervisor of one slot: parent and subreaper of that slot's processes and of nothing else. It runs commands
 * itself and starts the task host when the first frame for it arrives. One thread; its only blocking call is the ppoll
 * in main.c.
 */
#ifndef SLOTS_SUPERVISOR_SUPERVISOR_H
#define SLOTS_SUPERVISOR_SUPERVISOR_H

#include <sys/types.h>

#include "slots/shared/args.h"
#include "slots/shared/board.h"
#include "slots/shared/container.h"
#include "slots/shared/inlet.h"
#include "slots/shared/plan.h"
#include "slots/shared/proc.h"
#include "slots/shared/record_env.h"
#include "slots/shared/ring.h"
#include "slots/supervisor/copy.h"
#include "slots/supervisor/limiter.h"
#include "slots/supervisor/log.h"
#include "slots/supervisor/meter.h"
#include "slots/supervisor/serve.h"

enum {
    LINK_FD = PROC_FIRST_FD, /* guardian */
    PLAN_FD,
    BOARD_FD,
    COMMANDS_FD, /* data sockets of the worker */
    HOST_FD,
    LOG_FD,
    FIRST_UNUSED_FD
};

enum {
    RESIDENTS_MAX = 64,
    ENV_VARS = 6 /* of every run */,
    ENV_VAR_BYTES = 96,
    COMMAND_DRAIN_SOME = 4,
    COMMAND_DRAIN_ALL = 1024
};

/* SERVED: what runs is with a program, and there is no process of its own. */
typedef enum { COMMAND_IDLE, COMMAND_RUNNING, COMMAND_SWEEPING, COMMAND_SERVED } command_state_t;

/* The engine for commands: one process an item. */
typedef struct {
    inlet_t inlet;
    outlet_t outlet;
    command_state_t state;
    bool is_ready;        /* its descriptors and environment were made */
    bool holds_for_lapse; /* the next run may not start: the job's tokens have lapsed */

    /* the job that later runs belong to */
    char job[JOB_ID_MAX + 1];
    const slots_task_t *task; /* NULL: not a task of this worker */
    buf_t bound;
    size_t value_bytes_max;
    char *path; /* of the program, looked up in PATH */

    /* the run */
    uint32_t n;
    int64_t started_ns;
    pid_t pid;
    int status;
    bool too_large, saw_oom, is_error;  /* is_error: what `frame` says */
    unsigned sweeps;                    /* SWEEPING: turns so far */
    char container[CONTAINER_NAME_MAX]; /* of the run; "": none */
    buf_t out;
    char label[LOG_LABEL_MAX];

    int null_fd, stdin_fd, stdin_write_fd; /* stdin_fd: the item in a memfd, read-only */
    bool stdin_is_item;                    /* what descriptor 0 is now */
    int out_fd, err_fd;                    /* our ends of the command's stdout and stderr */
    log_t log;
    copy_t copy; /* where the task's terms want one */
    args_t args;
    limiter_t limiter;
    char **env; /* for tasks with no variables of their own */
    char **task_env;
    char env_text[ENV_VARS][ENV_VAR_BYTES];
    record_env_t record_env;         /* of an item of a stream */
    char traceparent[TRACE_MAX + 1]; /* of the job; "": none */
    uint64_t trace_salt;
    char trace_text[TRACE_MAX + 16]; /* TRACEPARENT=... of the run */
    buf_t scratch, frame;
} command_t;

typedef struct {
    pid_t pid; /* 0: not started */
    int out_fd;
    bool has_ended;
    limiter_t limiter;
    buf_t in; /* output that was not yet handled */
    log_t log;
} host_child_t;

typedef struct supervisor {
    uint32_t slot, generation;
    pid_t self;
    controls_t controls;
    meter_t meter;
    bool is_over_time; /* ending: it used more processor time than it may */
    plan_t plan;
    board_t *board;
    command_t command;
    serve_t serve;
    host_child_t host;
    bool host_fd_open;
    bool has_children; /* as of the last reaping */
    bool is_ending;
    bool ends_command;   /* ending: what ran was a command */
    int64_t leave_by_ms; /* told bye: its residents are about to leave; 0: not told */
    int64_t kill_at_ms;  /* ending: KILL to everything from here on */
    int status;          /* wait status of what ran last */
    struct pollfd *polls;
    unsigned turns; /* of the loop since the last reaping */
} supervisor_t;

/* ---- end.c ---- */

/* Ends the slot: TERM now, KILL at `kill_at_ms`; then a report to the guardian and exit. */
void supervisor_end(supervisor_t *s, int64_t kill_at_ms);
/* Ends it as unusable: charged to no item. */
void supervisor_give_up(supervisor_t *s, const char *why);

/* The worker needs the slot no longer: everyone is told, and it ends when they are gone, or soon. */
void supervisor_leave(supervisor_t *s);
/* The processes that outlive an attempt: the task host and the programs. At most `cap`. */
size_t supervisor_residents(const supervisor_t *s, pid_t *ret, size_t cap);

/* ---- command.c ---- */

void command_open(supervisor_t *s);
/* A run that is read now may start, or be told ahead. */
bool command_wants_runs(const supervisor_t *s);
/* Goes on: finishes what ended, starts what may start. Returns false when the slot has to end. */
bool command_step(supervisor_t *s);
/* More frames are on the socket. */
bool command_fill(supervisor_t *s);
/* The next thing that the worker says here is bye: it does so before it says it to the task host. */
bool command_sees_bye(supervisor_t *s);
void command_exited(supervisor_t *s, int status);
/* When command_step wants to be called again at the latest, in ms from now; -1: when something happens. */
int command_wait_ms(const supervisor_t *s);

/* ---- command_output.c ---- */

/* Reads what came on stdout and stderr, at most `turns_max` reads of each; less while a copy waits for room. */
void command_drain(supervisor_t *s, int turns_max);
/* Returns true when all of it went where the task's terms have it copied, and the end of it. */
bool command_is_copied(supervisor_t *s);
/* Kills the command and everything that it left behind. */
void command_kill_left(supervisor_t *s);

/* ---- spawn.c ---- */

/* Whether a start failed because no process, memory or descriptor was to be had, and the job's own limits are not why. */
bool command_is_short(const supervisor_t *s, int error);
/* Makes descriptors and environment for commands. 0, or an errno. */
int command_prepare(command_t *c, uint32_t slot);
/* New pipes: something else may still hold the old ones. */
int command_renew_pipes(command_t *c);
/* Why a program with these terms did not start, by the errno of that: the workdir is named where it is the cause. */
void spawn_reason(const terms_t *terms, const task_user_t *user, int error, char *ret, size_t cap);
/* Makes c->task_env for c->task. */
int command_make_task_env(command_t *c);
/* Starts the process of a run. 0, or an errno. */
int command_spawn(command_t *c, const ordinary_t *ordinary, const slot_run_t *run, bool stdin_is_item);
/* The program's path as execvp would find it for that user, to be freed; NULL: not found. */
char *command_find_program(const char *name, const task_user_t *user);

/* ---- result.c ---- */

/* Encodes the `done` of a command that has exited into c->frame. */
void result_of_exit(command_t *c, const board_t *board, int64_t now_ns);
/* c->frame becomes the result of the claimed run, unless the slot was ended meanwhile. */
void result_send(supervisor_t *s, int64_t now_ns);
/* The claimed run has this error instead of a value. */
void result_refuse(supervisor_t *s, fanmap_kind_t kind, int exit_status, const char *message);

/* ---- host_child.c ---- */

void host_start(supervisor_t *s);
/* Puts the limits on the board in force, for which the host waits. */
void host_apply_limits(supervisor_t *s);
void host_drain(supervisor_t *s);
/* Writes out what an attempt that is over left unfinished. Returns when to call again at the latest, in ms; -1: not
 * needed. */
int host_end_line(supervisor_t *s);

#endif
