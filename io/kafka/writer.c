/* Transactions: a producer of their own for each writer, whose calls that block are made by the helper.
 *
 * The happy path: init_transactions once -> begin, with the first record -> records -> send_offsets_to_transaction, with the
 * group's metadata as it was at its assignment -> commit_transaction -> the answer.
 *
 * What can fail: Kafka refuses the positions, because the group was dealt out anew, or a record: the transaction is aborted. Or
 * nothing is known: the answer is UNKNOWN, and whoever has the writer makes a new one. Of a process that dies Kafka aborts what it
 * had begun after TRANSACTION_MS, and readers of committed records wait for that. */
#include "io/kafka/writer.h"

#include <stdlib.h>
#include <string.h>

#include "io/kafka/blocking_call.h"
#include "io/kafka/bus.h"
#include "io/kafka/config.h"
#include "io/kafka/events.h"
#include "io/kafka/group.h"
#include "io/kafka/source.h"

enum { CALL_MS = 10000 };

struct kafka_writer {
    bus_writer_t base;
    kafka_bus_t *bus;
    rd_kafka_t *rk;
    rd_kafka_queue_t *queue;
    kafka_source_t source;
    bus_writer_fn answered;
    void *arg;
    bool is_begun;
    struct writing *calls; /* with the helper */
};
typedef struct kafka_writer kafka_writer_t;

typedef enum { WRITING_INIT, WRITING_COMMIT, WRITING_ABORT } writing_what_t;
typedef struct writing writing_t;
struct writing {
    kafka_call_t call;
    writing_t *next;
    kafka_writer_t *writer; /* NULL: it was closed */
    writing_what_t what;
    rd_kafka_topic_partition_list_t *positions;
    rd_kafka_consumer_group_metadata_t *group;
    bus_written_t result;
    fanmap_error_t error;
};

static void free_writing(writing_t *writing)
{
    if (writing->positions != NULL)
        rd_kafka_topic_partition_list_destroy(writing->positions);
    if (writing->group != NULL)
        rd_kafka_consumer_group_metadata_destroy(writing->group);
    free(writing);
}

/* ---- in the helper ---- */

static void take_error(writing_t *writing, rd_kafka_error_t *error)
{
    rd_kafka_resp_err_t code = rd_kafka_error_code(error);
    int class = kafka_error_class(code);
    (void)err_set(&writing->error, class != 0 ? class : FANMAP_EIO, "Kafka's transaction: %s",
                  rd_kafka_error_string(error));
    writing->result = rd_kafka_error_is_fatal(error) ? BUS_WRITER_UNKNOWN : BUS_WRITER_DROPPED;
    rd_kafka_error_destroy(error);
}

static void drop(writing_t *writing)
{
    rd_kafka_error_t *error = rd_kafka_abort_transaction(writing->call.rk, CALL_MS);
    if (error == NULL)
        return;
    writing->result = BUS_WRITER_UNKNOWN;
    rd_kafka_error_destroy(error);
}

static void end(writing_t *writing)
{
    rd_kafka_error_t *error = NULL;
    if (writing->positions != NULL)
        error = rd_kafka_send_offsets_to_transaction(writing->call.rk, writing->positions, writing->group, CALL_MS);
    if (error == NULL)
        error = rd_kafka_commit_transaction(writing->call.rk, CALL_MS);
    if (error == NULL)
        return;
    bool may_abort = rd_kafka_error_txn_requires_abort(error) || rd_kafka_error_is_retriable(error);
    take_error(writing, error);
    if (may_abort && writing->result == BUS_WRITER_DROPPED)
        drop(writing);
    else
        writing->result = BUS_WRITER_UNKNOWN;
}

static void run(kafka_call_t *call)
{
    writing_t *writing = (writing_t *)call;
    rd_kafka_error_t *error;
    writing->result = BUS_WRITER_STORED;
    writing->error.code = 0; /* of a try before this one */
    if (writing->what == WRITING_COMMIT) {
        end(writing);
    } else if (writing->what == WRITING_ABORT) {
        writing->result = BUS_WRITER_DROPPED;
        drop(writing);
    } else if ((error = rd_kafka_init_transactions(call->rk, KAFKA_CALL_MS)) != NULL) {
        bool again = rd_kafka_error_is_retriable(error);
        take_error(writing, error);
        writing->result = again ? BUS_WRITER_DROPPED : BUS_WRITER_UNKNOWN;
    }
}

/* ---- in the loop ---- */

static void submit(kafka_writer_t *writer, writing_t *writing)
{
    writing->next = writer->calls;
    writer->calls = writing;
    kafka_call_submit(writer->bus, &writing->call);
}

static void forget(kafka_writer_t *writer, const writing_t *writing)
{
    writing_t **at = &writer->calls;
    while (*at != NULL && *at != writing)
        at = &(*at)->next;
    if (*at != NULL)
        *at = writing->next;
}

static void done(kafka_call_t *call)
{
    writing_t *writing = (writing_t *)call;
    kafka_writer_t *writer = writing->writer;
    if (writer != NULL && writing->what == WRITING_INIT && writing->result == BUS_WRITER_DROPPED) {
        kafka_error(writer->bus, RD_KAFKA_RESP_ERR__TRANSPORT, writing->error.message);
        kafka_call_submit_later(writer->bus, call);
        return;
    }
    if (writer != NULL) {
        forget(writer, writing);
        writer->answered(writer->arg, writing->result, writing->error.code ? &writing->error : NULL);
    }
    free_writing(writing);
}

static void drop_call(kafka_call_t *call)
{
    free_writing((writing_t *)call);
}

static writing_t *new_writing(kafka_writer_t *writer, writing_what_t what)
{
    writing_t *writing = calloc(1, sizeof *writing);
    if (writing == NULL)
        return NULL;
    writing->call = (kafka_call_t){.rk = writer->rk, .run = run, .done = done, .drop = drop_call};
    writing->writer = writer;
    writing->what = what;
    return writing;
}

static bool on_turn(void *arg)
{
    kafka_writer_t *writer = arg;
    rd_kafka_event_t *event;
    while ((event = rd_kafka_queue_poll(writer->queue, 0)) != NULL)
        kafka_event(writer->bus, event);
    return false;
}

static int begin(kafka_writer_t *writer, fanmap_error_t *err)
{
    rd_kafka_error_t *error = writer->is_begun ? NULL : rd_kafka_begin_transaction(writer->rk);
    writer->is_begun = true;
    if (error == NULL)
        return FANMAP_OK;
    int code = err_set(err, FANMAP_EIO, "Kafka begins no transaction: %s", rd_kafka_error_string(error));
    rd_kafka_error_destroy(error);
    return code;
}

static rd_kafka_headers_t *make_headers(const bus_header_t *headers, size_t n)
{
    rd_kafka_headers_t *ret = rd_kafka_headers_new(n);
    for (size_t i = 0; i < n; i++)
        (void)rd_kafka_header_add(ret, headers[i].name, -1, headers[i].value, (ssize_t)headers[i].value_len);
    return ret;
}

int kafka_writer_put(bus_writer_t *base, const char *topic, int32_t partition, const void *key, size_t key_len,
                     const void *value, size_t value_len, const bus_header_t *headers, size_t headers_n,
                     int64_t timestamp_ms, fanmap_error_t *err)
{
    kafka_writer_t *writer = (kafka_writer_t *)base;
    int code = begin(writer, err);
    if (code != FANMAP_OK)
        return code;
    rd_kafka_headers_t *copies = make_headers(headers, headers_n);
    rd_kafka_resp_err_t error = rd_kafka_producev(
        writer->rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(partition),
        RD_KAFKA_V_KEY((void *)(uintptr_t)key, key_len), RD_KAFKA_V_VALUE((void *)(uintptr_t)value, value_len),
        RD_KAFKA_V_TIMESTAMP(timestamp_ms < 0 ? 0 : timestamp_ms), RD_KAFKA_V_HEADERS(copies),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
        return FANMAP_OK;
    rd_kafka_headers_destroy(copies);
    bool is_large = error == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
    return err_set(err, is_large ? FANMAP_EUSAGE : FANMAP_EIO, "topic %s takes no record of %zu bytes: %s", topic,
                   value_len, rd_kafka_err2str(error));
}

/* The library copies it in no other way. */
static rd_kafka_consumer_group_metadata_t *copy_metadata(const rd_kafka_consumer_group_metadata_t *metadata)
{
    rd_kafka_consumer_group_metadata_t *copy = NULL;
    const void *bytes = NULL;
    size_t len = 0;
    rd_kafka_error_destroy(rd_kafka_consumer_group_metadata_write(metadata, (void *)&bytes, &len));
    if (bytes != NULL)
        rd_kafka_error_destroy(rd_kafka_consumer_group_metadata_read(&copy, bytes, len));
    rd_kafka_mem_free(NULL, (void *)(uintptr_t)bytes);
    return copy;
}

static void ask(kafka_writer_t *writer, writing_t *writing)
{
    writer->is_begun = false;
    submit(writer, writing);
}

int kafka_writer_commit(bus_writer_t *base, bus_group_t *group, const char *topic, const bus_position_t *positions,
                        size_t n, fanmap_error_t *err)
{
    kafka_writer_t *writer = (kafka_writer_t *)base;
    const kafka_group_t *of = (const kafka_group_t *)group;
    int code = begin(writer, err);
    writing_t *writing = code == FANMAP_OK ? new_writing(writer, WRITING_COMMIT) : NULL;
    if (writing == NULL)
        return code != FANMAP_OK ? code : err_set(err, FANMAP_ENOMEM, "out of memory");
    if (n > 0 && of->metadata == NULL) {
        free_writing(writing);
        return err_set(err, FANMAP_EIO, "the group was never assigned anything");
    }
    if (n > 0) {
        writing->group = copy_metadata(of->metadata);
        writing->positions = rd_kafka_topic_partition_list_new((int)n);
    }
    for (size_t i = 0; writing->positions != NULL && i < n; i++) {
        rd_kafka_topic_partition_t *at =
            rd_kafka_topic_partition_list_add(writing->positions, topic, positions[i].partition);
        at->offset = positions[i].offset;
        at->metadata = strdup(positions[i].metadata);
        at->metadata_size = at->metadata != NULL ? strlen(at->metadata) : 0;
    }
    ask(writer, writing);
    return FANMAP_OK;
}

void kafka_writer_abort(bus_writer_t *base)
{
    kafka_writer_t *writer = (kafka_writer_t *)base;
    writing_t *writing = new_writing(writer, WRITING_ABORT);
    if (writing != NULL)
        ask(writer, writing);
}

void kafka_writer_close(bus_writer_t *base)
{
    kafka_writer_t *writer = (kafka_writer_t *)base;
    for (writing_t *writing = writer->calls; writing != NULL; writing = writing->next)
        writing->writer = NULL;
    kafka_source_unfeed(writer->queue);
    kafka_source_close(&writer->source);
    kafka_destroy_t *destroy = writer->rk == NULL ? NULL : kafka_destroy_new(writer->rk, writer->queue);
    if (destroy != NULL)
        kafka_call_submit(writer->bus, &destroy->call);
    free(writer);
}

int kafka_writer_open(bus_t *base, const char *id, bus_writer_fn answered, void *arg, bus_writer_t **ret,
                      fanmap_error_t *err)
{
    kafka_bus_t *bus = (kafka_bus_t *)base;
    kafka_writer_t *writer = calloc(1, sizeof *writer);
    if (writer == NULL)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    *writer = (kafka_writer_t){.base.bus = base, .bus = bus, .source.fd = -1, .answered = answered, .arg = arg};
    int code = kafka_source_open(&writer->source, bus->loop, on_turn, writer, err);
    if (code == FANMAP_OK)
        code = kafka_handle_new(bus, KAFKA_WRITER, id, &writer->rk, err);
    writing_t *init = NULL;
    if (code == FANMAP_OK && (init = new_writing(writer, WRITING_INIT)) == NULL)
        code = err_set(err, FANMAP_ENOMEM, "out of memory");
    if (code != FANMAP_OK) {
        kafka_writer_close(&writer->base);
        return code;
    }
    writer->queue = rd_kafka_queue_get_main(writer->rk);
    kafka_source_feed(&writer->source, writer->queue);
    submit(writer, init);
    *ret = &writer->base;
    return FANMAP_OK;
}
