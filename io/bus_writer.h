/* Records and a group's positions in one transaction: either all of it is visible, or nothing. Kafka alone can do it, and io/kafka
 * has these functions: the bus is one that bus_open_kafka opened.
 *
 * `answered` says STORED once when it is ready to be used. One transaction at a time: bus_writer_put begins it, bus_writer_commit or bus_writer_abort ends it, and nothing may be put
 * before `answered` says that it has. Positions count only if the group's assignment, as this process knows it, is still the
 * present one when Kafka gets them: so a member that was thought dead makes nothing visible.
 */
#ifndef IO_BUS_WRITER_H
#define IO_BUS_WRITER_H

#include "io/bus.h"

typedef struct bus_writer bus_writer_t;

typedef struct {
    int32_t partition; /* of a topic that a group reads */
    int64_t offset;
    const char *metadata; /* without a NUL before its end */
} bus_position_t;

/* STORED: everything is visible. DROPPED: nothing is, and the next transaction may begin. UNKNOWN: it is not known, or the writer
 * cannot go on: close it, and read the positions anew. */
typedef enum { BUS_WRITER_STORED, BUS_WRITER_DROPPED, BUS_WRITER_UNKNOWN } bus_written_t;
typedef void (*bus_writer_fn)(void *arg, bus_written_t what, const fanmap_error_t *err);

/* `id` is Kafka's transactional id: of this process alone, and new each time. Plain: records are in no transaction, and so visible at
 * once, positions are stored once all records before them are, and what is dropped may be visible all the same. batch_bytes: what its topics take at most; 0: not
 * known. A topic that refuses a record for good is FANMAP_EUSAGE, one that may not be written FANMAP_EREFUSED. */
int bus_writer_open(bus_t *bus, const char *id, bool is_plain, uint32_t batch_bytes, bus_writer_fn answered, void *arg,
                    bus_writer_t **ret, fanmap_error_t *err);
/* Copies everything. partition -1: by the key, as Kafka's own producers do. timestamp_ms below 0: now. */
int bus_writer_put(bus_writer_t *writer, const char *topic, int32_t partition, const void *key, size_t key_len,
                   const void *value, size_t value_len, const bus_header_t *headers, size_t headers_n,
                   int64_t timestamp_ms, fanmap_error_t *err);
/* Copies. `answered` follows. */
int bus_writer_commit(bus_writer_t *writer, bus_group_t *group, const char *topic, const bus_position_t *positions,
                      size_t n, fanmap_error_t *err);
/* The same for a group without members, whose positions this writer alone stores, by an `id` that is the group's: whoever opens
 * a writer with that id takes them over, and then `answered` is UNKNOWN with FANMAP_ECONFLICT here. Not without transactions. */
int bus_writer_commit_alone(bus_writer_t *writer, const char *group, const char *topic, const bus_position_t *positions,
                            size_t n, fanmap_error_t *err);
/* `answered` follows: DROPPED, or UNKNOWN. */
void bus_writer_abort(bus_writer_t *writer);
/* Whatever is not stored is dropped by Kafka. Before bus_close. */
void bus_writer_close(bus_writer_t *writer);

#endif
