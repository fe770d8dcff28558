/* The library from inside: one connection, its loop, and what all rooms say of it. What is above (how jobs work) comes
 * in by hooks and callbacks; nothing here knows a map from a gather.
 *
 *   client.c       open and close
 *   dispatch.c     turns of the loop, the descriptor's readiness
 *   job.c          the list of jobs and what every room knows of one
 *   topics.c       the topics of a queue's task (queue.h)
 *   publisher.c    who writes records, and where their delivery reports go
 *   log_queries.c  questions about a partition that may outlive their job
 *   fleet.c        what the fleet has to do with one job now; worker_row.c: a worker's row in Redis
 *   connect.c      Kafka and Redis as the options say; local.c: the embedded worker in their place
 */
#ifndef CLIENT_CONNECTION_CLIENT_H
#define CLIENT_CONNECTION_CLIENT_H

#include "base/log.h"
#include "client/connection/publisher.h"
#include "client/connection/queue.h"
#include "schemas/names.h"
#include "tokens/port.h"

typedef struct log_query log_query_t;
struct fleet_asking;
struct kept_logs;

/* What the rooms above put into a turn. All are called outside the loop. */
typedef struct {
    bool (*has_news)(const fanmap_t *f); /* a call of the caller's would say something */
    bool (*has_work)(const fanmap_t *f); /* after_turn would do something: the turn does not wait */
    void (*after_turn)(fanmap_t *f);
} client_hooks_t;

struct fanmap {
    loop_t *loop;
    fanmap_options_t *options;
    const client_hooks_t *hooks;
    fanmap_log_fn log;
    void *log_arg;
    uint32_t fetch_kbytes; /* of a group's partition; 0: librdkafka's default */
    bus_t *bus;
    tokens_port_t *tokens;     /* NULL: --redis none */
    struct presence *presence; /* NULL: --redis none, or embedded */
    bool is_local, is_connected, is_connecting;
    bool was_woken;              /* by fanmap_wake, and no call has returned for it yet */
    bool is_polled, is_marked;   /* the caller knows the descriptor; it is readable until the next turn */
    bool in_turn, in_callbacks;  /* inside the loop; inside a function of the caller's */
    bool has_closed;             /* jobs_sweep has something to look at */
    log_query_t *log_queries;    /* which are not answered yet */
    struct fleet_asking *asking; /* NULL: the fleet was never asked about (fleet.h) */
    struct kept_logs *shown_logs, *listed_logs; /* of jobs that were asked about (joblog/kept_logs.h); NULL: none yet */
    loop_timer_t *connect_timer;
    fanmap_error_t error; /* code not 0: the connection failed for good; every job fails with it */
    queue_t *queues;
    fanmap_job_t *jobs; /* a list by `next`; who was served goes to its end */
    unsigned pipes_n, retries_n;
    uint32_t last_number, last_publisher;
    publisher_t *publishers;
    struct local *local;
    const char *namespace_name;
};

#define client_log(f, level, ...) log_to((f)->log, (f)->log_arg, (level), __VA_ARGS__)
/* `fetch_kbytes`: as in struct fanmap. */
int connection_open(const fanmap_options_t *options, uint32_t fetch_kbytes, const client_hooks_t *hooks,
                    fanmap_log_fn log, void *log_arg, fanmap_t **ret_f, fanmap_error_t *err);
/* There are no jobs any more. */
void connection_close(fanmap_t *f);
/* The connection cannot be used any more: every job fails. */
void client_fail(fanmap_t *f, const fanmap_error_t *err);

/* One turn of the loop, for up to `timeout_ms`, and what is due after it. 0, or a negative code: it cannot turn. */
int client_turn(fanmap_t *f, int timeout_ms, fanmap_error_t *err);
/* At the end of every call of the caller's that may have left something to do: the descriptor is then readable. Costs
 * nothing for who never asked for it. */
void client_mark(fanmap_t *f);

#endif
