/* The bus over Kafka: what all of its files know. Each noun has a header of its own, and bus.h has the bus itself.
 *
 *   open.c           open, close, the table of functions       config.c         librdkafka's settings
 *   source.c         librdkafka's queues wake the loop         events.c         errors and log lines, classified
 *   rights.c         refusals, in one line each                helper.c         a thread for the calls that block
 *   blocking_call.c  what is submitted to it                   topics.c         looking topics up, their ends
 *   ensure.c         creating topics                           survey.c         what topics there are, their settings
 *   request.c        offsets, counts, deletions                members.c        what a member has
 *   produce.c        records out                               producer.c       reports; a new one after a fatal error
 *   reader.c         one partition, no group                   fetchers.c       who reads it by which handle
 *   fetcher.c        its messages, for all who read it         client.c         the handles
 *   recent.c         the last few messages                     records.c        whose bytes a record's are
 *   group.c          membership of a group                     rebalance.c      assigned, revoked
 *   assignment.c     where assigned partitions begin           group_records.c  records of the group
 *   group_ahead.c    what is taken before it is wanted
 *   commit.c         commits                                   describe.c       who is in the group
 *   fetch_nudge.c    keeping the fetcher awake                 remade.c         topics made anew under their readers
 *   absent.c         topics of a group that are not there
 *   writer.c         records and a group's positions in one transaction
 *   writer_refused.c why one failed, where that is for good
 *
 * Threads: librdkafka has its own and only ever writes to our event descriptors; the helper runs the `run` of calls,
 * which touches nothing but the call and librdkafka. Everything else happens in the thread of the loop.
 */
#ifndef IO_KAFKA_KAFKA_H
#define IO_KAFKA_KAFKA_H

#include <librdkafka/rdkafka.h>

#include "io/bus_ops.h"

enum {
    KAFKA_TURN_RECORDS = 2000, /* a turn of one source ends after so many records, or ... */
    KAFKA_TURN_MS = 5,
    KAFKA_OUTBOX_N_MAX = 200000,
    KAFKA_OUTBOX_BYTES_MAX = 40 << 20,
    KAFKA_BATCH_BYTES = 1000000, /* of one produce request; smaller once a topic refuses that */
    KAFKA_RUN_MAX = 256,         /* records of one rd_kafka_produce_batch */
    KAFKA_UNSENT_MAX = 1024,     /* records that wait for the end of the turn before they are sent all the same */
    KAFKA_COPY_MAX = 16384,      /* larger records are handed out where librdkafka has them: see records.c */
    KAFKA_CALL_MS = 3000,        /* bound of one blocking call of the helper */
    KAFKA_RETRY_MS = 200,
    KAFKA_POLL_MS = 1000, /* the group is polled at least so often */
    KAFKA_NUDGES_MAX = 4,
    KAFKA_NUDGE_MS = 500,
    KAFKA_NUDGE_EVERY_MS = 10
};

typedef struct kafka_bus kafka_bus_t;
typedef struct kafka_topic kafka_topic_t;
typedef struct kafka_record kafka_record_t;
typedef struct kafka_reader kafka_reader_t;
typedef struct kafka_client kafka_client_t;
typedef struct kafka_fetcher kafka_fetcher_t;
typedef struct kafka_group kafka_group_t;
typedef struct kafka_call kafka_call_t;
typedef struct kafka_helper kafka_helper_t;

#endif
