/* The worker on the real world: the core's events come from a bus, a token port and slots, its actions go there.
 *
 * Everything runs on the caller's loop and thread; nothing blocks. The embedded mode passes an in-memory bus and a
 * local token port, a fleet's worker Kafka and Redis: the shell does not know which.
 */
#ifndef WORKER_SHELL_SHELL_H
#define WORKER_SHELL_SHELL_H

#include "io/bus.h"
#include "slots/catalogue/catalogue.h"
#include "tokens/port.h"
#include "worker/core/core.h"

typedef struct worker_shell worker_shell_t;

typedef struct {
    const char *name_space, *queue;
    const char *name;        /* HOST:PID, for people, in the logs of jobs; NULL: it does not say */
    const char *incarnation; /* by which others know it, in Redis as in messages; copied; NULL: a random one */
    const slots_catalogue_t *catalogue; /* borrowed until worker_shell_close */
    uint32_t slots_n;
    size_t budget_bytes;
    uint32_t drain_ms, session_ms;
    uint32_t start_timeout_ms; /* of a served program */
    uint32_t partitions;       /* of topics that have to be created */
    int64_t retention_ms;      /* of results */
    bool create_topics;
    uint32_t record_bytes_max;                /* of topics that have to be created; 0: any */
    uint32_t item_bytes_max, value_bytes_max; /* a job's own count, up to these */
    int task_log_fd;                          /* where attempts' own output goes; -1: nowhere */
    uint64_t memfree_bytes;                   /* nothing starts while less memory is free */
    uint32_t load_max;                        /* nor while so many processes run; 0: any */
    uint32_t timeout_percent;                 /* of the median of what attempts took; 0: none */
    const spec_t *stream; /* not NULL: nothing but this stream's lanes are served. Borrowed until open */
} worker_shell_config_t;

typedef struct {
    void (*log)(void *arg, fanmap_log_level_t level, const char *line);
    /* Kafka has answered; topics of items may still have to be made. Once. May be NULL. */
    void (*connected)(void *arg);
    /* The topics are there and the group is joined. Once. */
    void (*ready)(void *arg);
    /* Drained after worker_shell_drain (err NULL), or it cannot go on. Once; close it later, not from inside. */
    void (*ended)(void *arg, const fanmap_error_t *err);
    /* Kafka no longer has items that had not run, as far as is known: retention, or a topic made anew. May be NULL. */
    void (*lost)(void *arg);
    /* The program or library of a task could not be started some times in a row: why; NULL: now it could. May be NULL. */
    void (*cannot_start)(void *arg, const char *task, const char *why);
    /* An attempt has failed; borrowed until it returns. is_last: its item has no other, and the outcome is this one. May be NULL. */
    void (*failed)(void *arg, const worker_attempt_t *attempt, const outcome_t *outcome, bool is_last);
    /* An attempt of a job whose trace is sampled has ended, under this span; cut: why, where it has no kind, or NULL; run_us: how
     * long it ran. May be NULL. */
    void (*traced)(void *arg, const worker_attempt_t *attempt, uint64_t span, fanmap_kind_t kind, const char *cut,
                   uint64_t run_us);
    /* An outcome of this job is published. May be NULL. */
    void (*publishes)(void *arg, const spec_t *spec);
    /* A record of the jobs topic. May be NULL. */
    void (*heard)(void *arg, const jobs_record_t *record);
} worker_shell_callbacks_t;

/* `tokens` NULL: jobs with a limit are not run here. */
int worker_shell_open(loop_t *loop, bus_t *bus, tokens_port_t *tokens, const worker_shell_config_t *config,
                      const worker_shell_callbacks_t *callbacks, void *arg, worker_shell_t **ret, fanmap_error_t *err);
/* Takes nothing new, finishes or hands back what runs; `ended` follows within drain_ms. */
void worker_shell_drain(worker_shell_t *shell);
/* Kills what runs and leaves at once. */
void worker_shell_close(worker_shell_t *shell);
/* The group has dealt its partitions out; false: it is about to, and has given this worker none meanwhile. */
bool worker_shell_is_dealt(const worker_shell_t *shell);
/* Records of the topic of the catalogue's task, in the partitions that are held here, that are not finished. */
uint64_t worker_shell_lag(const worker_shell_t *shell, size_t task);
/* For what it can tell: the functions of worker/core that change nothing. Its tasks have the numbers of the catalogue's. */
const worker_t *worker_shell_core(const worker_shell_t *shell);
/* The last call for tokens had no answer. */
bool worker_shell_lacks_tokens(const worker_shell_t *shell);

#endif
