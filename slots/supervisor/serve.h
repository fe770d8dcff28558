/* Programs that speak the slot protocol (schemas/served.h, docs/tasks.md): started once in a slot, at the first run for
 * them, and served one run at a time.
 *
 * Why the supervisor itself stands between the program and the board. It is the program's parent, so it learns of its
 * death first; it reads the program's output anyway, and can label it exactly; it claims runs for commands already; and
 * a process less lies on the way of every item. The program sees neither board nor ring nor any descriptor but its own.
 *
 *   OFF ──first run──► STARTING ──hello──► GREETED ──ready──► READY ──(run, done)*──► READY
 *
 * Nothing is claimed before READY: starting is charged to no item.
 */
#ifndef SLOTS_SUPERVISOR_SERVE_H
#define SLOTS_SUPERVISOR_SERVE_H

#include <poll.h>

#include "schemas/served.h"
#include "slots/shared/board.h"
#include "slots/shared/plan.h"
#include "slots/supervisor/limiter.h"
#include "slots/supervisor/log.h"

struct supervisor;

typedef enum { PROGRAM_OFF, PROGRAM_STARTING, PROGRAM_GREETED, PROGRAM_READY } program_state_t;

enum { PROGRAM_FDS = 4, PROGRAM_NAME_MAX = 160, AHEAD_MAX = 256 };

/* A run that the program was told of. */
typedef struct {
    uint32_t n, attempt;
    uint64_t index;
} queued_run_t;

/* One program; tasks of the same command line and surroundings share it. */
typedef struct {
    char *const *argv;
    const char *name;         /* of its first task, for the log */
    const terms_t *terms;     /* of the same */
    const limiter_t *limiter; /* of all programs of the slot */
    const ordinary_t *ordinary;
    program_state_t state;
    pid_t pid;          /* 0: none */
    int from_fd, to_fd; /* the protocol: one socket, or its stdout and stdin; -1 */
    int stdin_fd;       /* until it is known which */
    int go_fd, undo_fd; /* permits to begin: where they are written, and read back */
    int out_fd, err_fd; /* what it prints; out_fd is -1 where stdout is the protocol */
    bool stdout_is_log; /* its first bytes were no hello */
    served_reader_t reader;
    buf_t in, first, out; /* protocol read; stdout before its meaning is known; protocol to be written */
    size_t in_used;       /* of `in`: the message that is being handled */
    buf_t tasks;          /* of its hello */
    buf_t calls;          /* likewise: tasks that take several at once */
    uint32_t ahead;       /* likewise; 0: it is told one run at a time */
    served_batch_t batch; /* the message of runs that is being put into `out` */
    size_t owed_go;       /* permits to be written with what is in `out` */
    uint64_t ahead_from;  /* it printed something: one run at a time until so many were answered */
    uint32_t job_serial;  /* of the job it was told last */
    uint64_t answered;    /* runs, in this life */
    size_t written_bytes; /* with the last run */
    bool is_reset;        /* it went away and left something unread */
    int64_t started_ms, ready_by_ms;
    bool is_slow_noted;   /* that it takes long to start */
    int64_t closed_at_ms; /* it closed the protocol and has not ended; 0: it has not */
    log_t log;
} program_t;

typedef struct {
    program_t *programs;
    size_t programs_n;
    program_t *current;  /* of the job in the slot; NULL: that is no served task */
    uint32_t job_serial; /* one more for each job frame */
    uint32_t job_id, attempts_max, parts;
    queued_run_t queued[AHEAD_MAX]; /* a ring: runs behind the one that goes on */
    size_t queued_first, queued_n;
    uint32_t call_left; /* runs that are still to be read of a call */
    bool is_call;       /* what goes on, and what was told behind it, are one */
    limiter_t limiter;
    bool holds_for_program;      /* the next run may not start: the program is not ready */
    char broken[SERVED_WHY_MAX]; /* the run that goes on ends as `protocol`, once nothing of it is alive */
} serve_t;

/* ---- serve.c ---- */

void serve_set_job(struct supervisor *s, const slot_job_t *job);
/* Whether a run of the current program may be claimed; starts the program when it is off. */
bool serve_is_ready(struct supervisor *s);
/* Hands a claimed run to the current program. */
void serve_run(struct supervisor *s, const slot_run_t *run);
/* Writes what `current` is to be told, and the permits that go with it. */
void serve_flush(struct supervisor *s);
/* Handles the messages of a program that were read. serve_read reads first. */
void serve_handle_messages(struct supervisor *s, program_t *p);
void serve_read(struct supervisor *s, program_t *p);

/* ---- serve_end.c: how programs end ---- */

/* A child was reaped. Returns true if it was one of the programs. */
bool serve_exited(struct supervisor *s, pid_t pid, int status);
/* The program cannot be used, which is charged to no item: the slot ends. */
void serve_unusable(struct supervisor *s, const program_t *p, const char *why);
/* It broke the protocol: a failed start, the end of its run, or only of itself. */
void serve_protocol_error(struct supervisor *s, program_t *p, const char *why);
/* Nothing is alive any more: the result of a run that broke the protocol may count now. */
void serve_send_broken(struct supervisor *s);

/* ---- serve_result.c ---- */

/* An answer that was checked becomes the result of the run. */
void serve_result(struct supervisor *s, const served_message_t *answer);

/* ---- programs.c: all programs of the slot ---- */

/* Lists the programs of the plan. Returns false if memory runs out. */
bool serve_open(struct supervisor *s);
/* The program that serves a task; NULL: it is not in the list. */
program_t *serve_find(serve_t *v, const slots_task_t *task);
/* The run that goes on is with this program. */
bool serve_runs(const struct supervisor *s, const program_t *p);
/* The slot ends: TERM and a cancel to the program that runs something, KILL to the others. */
void serve_end(struct supervisor *s);
/* Tells every program to leave; one that is still starting is killed. */
void serve_send_bye(struct supervisor *s);
/* The pids of living programs, at most `cap`. */
size_t serve_pids(const struct supervisor *s, pid_t *ret, size_t cap);

/* ---- serve_ahead.c: runs that a program is told of before it may begin them ---- */

/* This run goes on now, with a label and times of its own. Also a command's. */
void serve_begin(struct supervisor *s, uint32_t n, uint64_t index, uint32_t attempt, int64_t now_ns);
/* The first run of a call, if there is one, is told now. */
void serve_begin_call(struct supervisor *s);
/* Whether one more may be told. */
bool serve_has_room_ahead(const struct supervisor *s);
/* Claims a run behind the one that goes on, and tells it. Returns false if this one cannot be had now. */
bool serve_ahead(struct supervisor *s, const slot_run_t *run);
/* Puts the run that may begin into what the program is to read. Returns false if its encoding cannot hold the item. */
bool serve_put_run(const struct supervisor *s, program_t *p, const slot_run_t *run);
/* The run that went on was answered: the next one goes on. */
void serve_go_on(struct supervisor *s, int64_t now_ns);
/* A call failed as a whole: each of its runs that has no result gets this one. */
void serve_fail_call(struct supervisor *s, const served_message_t *answer);
/* What was told and did not begin never will, and the worker has it back. Also once the slot has to end. */
void serve_withdraw(struct supervisor *s, program_t *p);
/* The same when the run that goes on has lasted too long. Returns when to look again, in ms; -1: nothing is ahead. */
int serve_check_ahead(struct supervisor *s);
/* After its end: whether it had begun the run that goes on. */
bool serve_had_begun(const struct supervisor *s, const program_t *p);

/* ---- serve_io.c: output and descriptors ---- */

/* What main.c polls for them: PROGRAM_FDS a program. */
void serve_set_polls(const struct supervisor *s, struct pollfd *polls);
void serve_on_polls(struct supervisor *s, const struct pollfd *polls);
int serve_wait_ms(struct supervisor *s);
/* Reads what is left of every program's output and ends its last line. */
void serve_drain(struct supervisor *s);
/* At most `turns` pieces of each of its two. */
void serve_drain_one(struct supervisor *s, program_t *p, int turns);

/* ---- program.c: one program and its descriptors ---- */

/* Starts it; it has `bound_ms` to be ready. 0, or an errno. */
int program_start(program_t *p, uint32_t slot, const char *path, int64_t bound_ms, int log_fd);
/* "task NAME: 'CMD ARG...'", for messages; a long one is cut. Returns `ret`. */
char *program_name(const program_t *p, char ret[PROGRAM_NAME_MAX]);
/* Writes what is to be written, as far as it goes; the rest when the descriptor takes more. */
void program_flush(program_t *p);
/* Reads what came on the protocol, at most one piece. 1: something; 0: the end; -1: nothing now. */
int program_fill(program_t *p);
/* Its next message, as served_decode; it stays in `in` until program_drop. */
int program_next(program_t *p, size_t frame_max, served_message_t *ret);
void program_drop(program_t *p);
/* Takes the protocol to where the hello came. */
void program_choose_protocol(program_t *p, bool is_stdio);
/* Reads one piece of its stdout or stderr: it goes to the log under `label`, stderr also to the board's tail (may be
 * NULL). Returns false if there is nothing more now. */
bool program_drain(program_t *p, int *fd, const char *label, board_t *tail);
/* After its end: it had not begun to read what it was told last. A long message that it may have read in part counts as
 * read. */
bool program_left_unread(const program_t *p);
void program_close(program_t *p);

#endif
