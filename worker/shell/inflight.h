/* Records on their way to the bus, from the making to the report. */
#ifndef WORKER_SHELL_INFLIGHT_H
#define WORKER_SHELL_INFLIGHT_H

#include "worker/shell/state.h"

enum { STREAM_PACK_BYTES = 256 * 1024 }; /* nobody waits for the first outcome of one: a transaction has many */

typedef enum {
    INFLIGHT_PACK,
    INFLIGHT_END_COPY,
    INFLIGHT_END,
    INFLIGHT_DEAD,
    INFLIGHT_NOTE,
    INFLIGHT_COPY,
    INFLIGHT_CLOCK
} inflight_type_t;

struct inflight {
    inflight_type_t type;
    inflight_t *next, *next_made;
    bus_topic_t *topic;
    int32_t partition;
    char key[JOB_ID_MAX + 17];
    size_t key_len;
    char job[JOB_ID_MAX + 1];
    int32_t from_lane; /* DEAD */
    char from[2][24];  /* DEAD: partition and offset */
    const char *why;
    buf_t body, value; /* DEAD: body is the key */
    buf_t waits;       /* PACK, of a job: joblog_put_wait of each outcome */
    uint32_t count;    /* outcomes in body */
    bool is_stream;    /* PACK: of a stream's log, which is whole so far: */
    int64_t whole;
    int64_t began_ms;      /* of the first outcome */
    worker_item_t **items; /* PACK, DEAD, COPY */
    size_t items_n, items_cap;
};

/* NULL: out of memory, and the shell has failed. */
inflight_t *inflight_new(worker_shell_t *shell, inflight_type_t type);
/* The item is reported as stored with the record. False: out of memory. */
bool inflight_keep_item(inflight_t *inflight, worker_item_t *item);
/* To the bus, or behind what the bus has no room for. */
void inflight_send(worker_shell_t *shell, inflight_t *inflight);
/* What waits for room on the bus, as far as there is some now. */
void shell_send_unsent(worker_shell_t *shell);
/* Kafka will not store it as things are: to be sent again later. */
void inflight_hold(worker_shell_t *shell, inflight_t *inflight, const fanmap_error_t *err);
/* The record is done with and may serve again. */
void inflight_reuse(worker_shell_t *shell, inflight_t *inflight);

/* held.c */
int shell_held_open(worker_shell_t *shell, fanmap_error_t *err);
void shell_held_close(worker_shell_t *shell);
/* A record was stored: the next one that is not waits a short time only. */
void shell_held_stored(worker_shell_t *shell);

/* packs.c, records.c and inflight.c */
/* The open pack of a job's, or a lane's, partition with room for `more` bytes; NULL: out of memory. */
inflight_t *shell_pack(worker_shell_t *shell, const char *job, bus_topic_t *topic, int32_t partition, size_t more);
/* One outcome of it was put into the pack. */
void shell_pack_keep(worker_shell_t *shell, inflight_t *pack, worker_item_t *item);
void shell_publish(worker_shell_t *shell, const worker_action_t *action);
void shell_copy_end(worker_shell_t *shell, const worker_action_t *action);
void shell_write_end(worker_shell_t *shell, const worker_action_t *action);
void shell_dead_letter(worker_shell_t *shell, const worker_action_t *action);
void shell_tell(worker_shell_t *shell, const worker_action_t *action);
/* Has the broker's clock looked at, once, when a job with a deadline comes. */
void shell_ask_clock(worker_shell_t *shell, const jobs_record_t *job);
/* Sends the packs that are due; with `all` every one. */
void shell_send_packs(worker_shell_t *shell, bool all);
void shell_delivered(void *arg, uint64_t cookie, int32_t partition, int64_t offset, const fanmap_error_t *err);
void shell_on_linger(void *arg);
void shell_free_packs(worker_shell_t *shell);

#endif
