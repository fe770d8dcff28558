/* One partition as one handle fetches it, for the readers that share it. fetchers.c has their life and who reads by which,
 * fetcher.c what comes of one. */
#ifndef IO_KAFKA_FETCHER_H
#define IO_KAFKA_FETCHER_H

#include "io/kafka/client.h"
#include "io/kafka/fetch_nudge.h"
#include "io/kafka/recent.h"

enum { KAFKA_IDLE_BYTES = 4 << 20 }; /* that a fetcher reads for nobody */

struct kafka_fetcher {
    kafka_bus_t *bus;
    kafka_fetcher_t *next;
    kafka_client_t *client;
    kafka_topic_t *topic;
    rd_kafka_topic_t *rkt; /* of the client */
    rd_kafka_queue_t *queue;
    kafka_source_t source;
    kafka_nudge_t nudge;
    int32_t partition;
    kafka_reader_t *readers; /* by `peer`; of one that is not shared: one */
    bool is_shared, in_turn;
    bool is_resting;             /* nobody reads it, and it is known when it is closed for that */
    bool has_late;               /* a reader must catch up */
    bool begins_later;           /* read from its beginning, and that is not 0 */
    rd_kafka_resp_err_t fault;   /* nothing more comes; 0: it goes on */
    int64_t position, end;       /* of the next record; where the log ended last. Below 0: not known */
    unsigned short_n;            /* how often in a row the log ended before the position */
    unsigned gone_n;             /* how often in a row the topic was not there */
    int64_t read_since_ms;       /* by someone */
    int64_t idle_ms, idle_bytes; /* since when nobody reads it, and what came all the same */
    kafka_recent_t recent;       /* of one that is shared */
};

/* fetchers.c */
/* A reader of the partition from `from` on: into a fetcher that is there, or with one of its own. */
int kafka_fetcher_join(kafka_reader_t *reader, int64_t from, fanmap_error_t *err);
/* Another fetcher, from where the reader is: this one has gone on without it for too long, or is of no use. kafka_fetcher_sweep
 * follows. */
void kafka_fetcher_split(kafka_reader_t *reader);
/* The reader goes, at the end of the turn that its fetcher may be in. */
void kafka_fetcher_leave(kafka_reader_t *reader);
/* Frees the readers that were closed; outside a turn. False: the fetcher may be gone. */
bool kafka_fetcher_sweep(kafka_fetcher_t *fetcher);
/* What was to be read from its beginning does not begin at 0: reads it from where it does. False: that was not it. */
bool kafka_fetcher_begins_later(kafka_fetcher_t *fetcher);
bool kafka_fetches(const kafka_fetcher_t *fetcher, const kafka_topic_t *topic, int32_t partition);
/* A bus_ops_t.partition_at_hand. */
int32_t kafka_partition_at_hand(const bus_topic_t *topic);
/* Timer: closes what nobody has read for long. */
void kafka_fetchers_tidy(void *bus);
/* Without readers. */
void kafka_fetchers_close(kafka_bus_t *bus);

/* fetcher.c */
/* A turn of its source. */
bool kafka_fetcher_turn(void *fetcher);
/* The reader is held no longer, and may have to catch up. */
void kafka_fetcher_resume(kafka_reader_t *reader);
/* Nothing more comes, and every reader is to be told. */
void kafka_fetcher_fail(kafka_fetcher_t *fetcher, rd_kafka_resp_err_t fault);

#endif
