/* One item in hand, from its arrival to the moment its offset is finished; and the pool they come from.
 *
 * An item is in at most one list by prev/next: a lane of its job's queue, a slot's runs, or its job's waiting ones. It
 * is also in the list of its partition for as long as it lives, so that a revocation finds it. Items are reused: a
 * pointer is valid until item_free.
 */
#ifndef WORKER_CORE_ITEM_H
#define WORKER_CORE_ITEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/heap.h"
#include "base/prefetch.h"

typedef enum {
    STATE_RECEIVED,   /* its job is not known yet */
    STATE_QUEUED,     /* may start when there is a slot and a token */
    STATE_DELAYED,    /* waits for the end of its backoff */
    STATE_RUNNING,    /* in a slot, started or behind what runs */
    STATE_PUBLISHING, /* its outcome is on the way to Kafka */
    STATE_CLOSING,    /* stored, and closes the job: finished once that is copied to the jobs topic */
    STATE_CLAIMED     /* another worker's claim: nothing to do but to wait for its word, or its death */
} item_state_t;

/* Whether a commit names the item before it starts: worker/core/poison.c. */
typedef enum { NAME_NONE, NAME_ASKED, NAME_HELD } item_name_t;

typedef struct worker_item worker_item_t;
typedef struct {
    worker_item_t *head, *tail;
    size_t n;
    size_t *sum; /* NULL; or counts the items of several lists */
} item_list_t;

struct worker_item {
    worker_item_t *prev, *next; /* in `list` */
    item_list_t *list;
    worker_item_t *part_prev, *part_next; /* its partition's */
    struct worker_job *job;               /* NULL: a dead letter */
    struct worker_part *part;
    void *payload; /* keeps `record` alive, and `in`, which lies within; NULL: given back */
    const void *record;
    const uint8_t *in;
    uint32_t record_len, in_len;
    int64_t offset;
    uint64_t index;
    uint64_t fence;         /* of its last attempt */
    int64_t since_ms;       /* on this worker's clock: when Kafka stored it, or when it came here */
    uint64_t query;         /* RECEIVED: the query of the jobs topic's end that decides */
    int64_t before;         /* of a stream: the offset of the record before it */
    const char *bad;        /* of a stream: why it is no input; NULL: it is one */
    struct source_key *key; /* of a stream by key: it has its turn, or waits for it */
    heap_node_t delay;      /* DELAYED */
    uint32_t log;       /* of the partition at its arrival: when it is another now, its offset means nothing there */
    uint32_t ownership; /* of the partition at its arrival: when it is another now, the item is not ours any more */
    uint32_t run_n, attempts, charges; /* attempts used; those that killed their slot */
    uint32_t wait_ms;                  /* has_wait: until the start of its first attempt */
    uint16_t batch_max;                /* in how large a call it may be; 0: as its job says */
    uint8_t state;
    uint8_t hops; /* how often it went from worker to worker */
    bool has_wait;
    bool is_handed;       /* PUBLISHING: not its outcome is under way but its copy for another worker */
    bool is_survivor;     /* outlived a revocation: its partition's survivors name it */
    bool is_claimed;      /* by us: a closing commit said that it stays here, whoever owns the partition */
    uint8_t name;         /* item_name_t */
    uint8_t deaths;       /* of its charges, those that its slot bore out here: no danger to the worker */
    uint32_t lost_n;      /* which loss of our membership it ran through; 0: none. The word about it is still due */
    uint64_t name_number; /* ASKED: the first commit that names it; 0: none yet */
    uint8_t end_reason;   /* PUBLISHING, CLOSING: what its outcome closes the job by; 0: it does not */
    uint8_t kind;         /* PUBLISHING, CLOSING: of its outcome */
    bool holds;           /* PUBLISHING: nothing of its job starts before it is stored */
};

void item_list_append(item_list_t *list, worker_item_t *item);
/* Before `next`, which is in the list; NULL: at the end. */
void item_list_insert(item_list_t *list, worker_item_t *item, worker_item_t *next);
/* The list is gone through from its head on: asks for the second one behind `item`, and for the bytes of the first. */
static inline void item_prefetch_behind(const worker_item_t *item)
{
    const worker_item_t *next = item->next;
    if (next == NULL)
        return;
    prefetch(next->in, 2 * PREFETCH_LINE + 1);
    prefetch(next->payload, 1);
    prefetch(next->next, sizeof *next);
}
/* Out of the list that it is in, if any. */
void item_unlink(worker_item_t *item);

typedef struct item_block item_block_t;
typedef struct {
    item_block_t *blocks;
    worker_item_t *free;
    size_t in_use;
} item_pool_t;

/* Zeroed but for what the pool needs; NULL: out of memory. */
worker_item_t *item_new(item_pool_t *pool);
void item_free(item_pool_t *pool, worker_item_t *item);
void item_pool_free(item_pool_t *pool);

/* ---- its life in the worker: item.c ---- */

struct worker;
/* Gives bytes back to the shell that an event handed over. */
void item_release_payload(struct worker *w, void *payload);
/* Into the list of its partition, of the present ownership. */
void item_join(struct worker_part *part, worker_item_t *item);
void item_set_state(worker_item_t *item, item_state_t state);
static inline bool item_is_published(const worker_item_t *item)
{
    return item->state == STATE_PUBLISHING || item->state == STATE_CLOSING;
}
/* Commits say what it has used: attempts while there is one to come, charges in any case. */
bool item_is_tried(const worker_item_t *item);
/* False: its partition went, or came back without it. */
bool item_is_ours(const worker_item_t *item);
/* True: ours, or claimed by us: an attempt of it may run here. */
bool item_is_kept(const worker_item_t *item);
/* True: it may go (back) into its job's queue. */
bool item_may_run(const worker_item_t *item);
/* Gives the payload back; the item stays. */
void item_release(struct worker *w, worker_item_t *item);
/* The item is over: out of everything that knows it. */
void item_discard(struct worker *w, worker_item_t *item);
/* The same, and its offset needs nothing more. */
void item_finish(struct worker *w, worker_item_t *item);
/* Into its job's queue. */
void item_queue(struct worker *w, worker_item_t *item);
/* Into its job's queue, or to where it must wait: for a commit, or for another's claim. */
void item_enqueue(struct worker *w, worker_item_t *item, bool at_front); /* at_front: of those that wait for a commit */
/* One that was claimed by us and is given up. */
void item_hand_back(struct worker *w, worker_item_t *item);
/* An item that was in a slot and is not over: back into its queue, or away. */
void item_requeue(struct worker *w, worker_item_t *item);

#endif
