/* Transactions: a producer of their own for each writer, whose calls that block are made by the helper.
 *
 * The happy path: init_transactions once -> begin, with the first record -> records -> send_offsets_to_transaction, with the
 * group's metadata as it was at its assignment -> commit_transaction -> the answer.
 *
 * What can fail: Kafka refuses the positions, because the group was dealt out anew, or a record: the transaction is aborted. Or
 * nothing is known: the answer is UNKNOWN, and whoever has the writer makes a new one. Of a process that dies Kafka aborts what it
 * had begun after TRANSACTION_MS, and readers of committed records wait for that.
 *
 * A plain writer's records are visible as they come, by a handle without transactions. Once every one of them is stored the
 * positions follow, in a transaction of a second handle that holds nothing else: a plain commit says the generation that the
 * group has by then, and who was thought dead would move the positions of its successor back. */
#include "io/kafka/writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/kafka/bus.h"
#include "io/kafka/config.h"
#include "io/kafka/events.h"
#include "io/kafka/group.h"

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

void kafka_writer_failed(kafka_writer_t *writer)
{
    writer->has_failed = true;
    for (writing_t *writing = writer->calls; writing != NULL; writing = writing->next)
        atomic_store(&writing->has_refused, true);
}

static bool on_turn(void *arg)
{
    kafka_writer_t *writer = arg;
    rd_kafka_event_t *event;
    while ((event = rd_kafka_queue_poll(writer->queue, 0)) != NULL)
        kafka_writer_event(writer, event);
    while (writer->of_positions.queue != NULL && (event = rd_kafka_queue_poll(writer->of_positions.queue, 0)) != NULL)
        kafka_writer_event(writer, event);
    return false;
}

static void done(kafka_call_t *call)
{
    writing_t *writing = (writing_t *)call;
    kafka_writer_t *writer = writing->writer;
    if (writer != NULL && writing->goes_on) {
        kafka_call_submit(writer->bus, call);
        return;
    }
    if (writer != NULL && writing->what == WRITING_INIT && writing->result == BUS_WRITER_DROPPED) {
        kafka_error(writer->bus, RD_KAFKA_RESP_ERR__TRANSPORT, writing->error.message);
        kafka_call_submit_later(writer->bus, call);
        return;
    }
    if (writer != NULL) {
        forget(writer, writing);
        (void)on_turn(writer); /* the reports of what it wrote */
        kafka_writer_explain(writer, writing->code, &writing->error);
        writer->answered(writer->arg, writing->result, writing->error.code ? &writing->error : NULL);
    }
    kafka_writing_drop(call);
}

static writing_t *new_writing(kafka_writer_t *writer, writing_what_t what)
{
    writing_t *writing = calloc(1, sizeof *writing);
    if (writing == NULL)
        return NULL;
    bool is_plain = writer->of_positions.rk != NULL;
    writing->call = (kafka_call_t){.rk = is_plain ? writer->of_positions.rk : writer->rk,
                                   .run = kafka_writing_run,
                                   .done = done,
                                   .drop = kafka_writing_drop};
    writing->records = is_plain ? writer->rk : NULL;
    writing->writer = writer;
    writing->what = what;
    return writing;
}

static int begin(kafka_writer_t *writer, fanmap_error_t *err)
{
    bool may_begin = !writer->is_begun && writer->of_positions.rk == NULL;
    rd_kafka_error_t *error = may_begin ? rd_kafka_begin_transaction(writer->rk) : NULL;
    writer->is_begun = error == NULL;
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

/* The library takes a lock and goes through its topics to find one by its name. NULL: there can be none of that name. */
static rd_kafka_topic_t *topic_of(kafka_writer_t *writer, const char *name)
{
    for (size_t i = 0; i < KAFKA_WRITER_TOPICS; i++)
        if (writer->topics[i] != NULL && strcmp(rd_kafka_topic_name(writer->topics[i]), name) == 0)
            return writer->topics[i];
    rd_kafka_topic_t *topic = rd_kafka_topic_new(writer->rk, name, NULL), **place;
    if (topic == NULL)
        return NULL;
    place = &writer->topics[writer->topics_next++ % KAFKA_WRITER_TOPICS];
    if (*place != NULL)
        rd_kafka_topic_destroy(*place);
    return *place = topic;
}

int bus_writer_put(bus_writer_t *writer, const char *topic, int32_t partition, const void *key, size_t key_len,
                   const void *value, size_t value_len, const bus_header_t *headers, size_t headers_n,
                   int64_t timestamp_ms, fanmap_error_t *err)
{
    int code = begin(writer, err);
    if (code != FANMAP_OK)
        return code;
    rd_kafka_topic_t *to = topic_of(writer, topic);
    if (to == NULL)
        return err_set(err, FANMAP_EIO, "topic %s: %s", topic, rd_kafka_err2str(rd_kafka_last_error()));
    rd_kafka_headers_t *copies = make_headers(headers, headers_n);
    rd_kafka_resp_err_t error = rd_kafka_producev(
        writer->rk, RD_KAFKA_V_RKT(to), RD_KAFKA_V_PARTITION(partition),
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

/* Of a member that was thrown out before its assignment came, as the library writes it down. Kafka would take such positions
 * without looking at who sends them. */
static bool has_no_generation(const uint8_t *metadata, size_t len)
{
    static const uint8_t none[] = "CGMDv2:\xff\xff\xff\xff";
    return len >= sizeof none - 1 && memcmp(metadata, none, sizeof none - 1) == 0;
}

/* The library copies it in no other way. NULL: none that Kafka may see. */
static rd_kafka_consumer_group_metadata_t *copy_metadata(const rd_kafka_consumer_group_metadata_t *metadata)
{
    rd_kafka_consumer_group_metadata_t *copy = NULL;
    const void *bytes = NULL;
    size_t len = 0;
    rd_kafka_error_destroy(rd_kafka_consumer_group_metadata_write(metadata, (void *)&bytes, &len));
    if (bytes != NULL && !has_no_generation(bytes, len))
        rd_kafka_error_destroy(rd_kafka_consumer_group_metadata_read(&copy, bytes, len));
    rd_kafka_mem_free(NULL, (void *)(uintptr_t)bytes);
    return copy;
}

static void ask(kafka_writer_t *writer, writing_t *writing)
{
    writer->is_begun = false;
    submit(writer, writing);
}

/* `group` is this call's; NULL: the member has no assignment. */
static int commit(kafka_writer_t *writer, rd_kafka_consumer_group_metadata_t *group, const char *topic,
                  const bus_position_t *positions, size_t n, fanmap_error_t *err)
{
    int code = begin(writer, err);
    writing_t *writing = code == FANMAP_OK ? new_writing(writer, WRITING_COMMIT) : NULL;
    if (writing == NULL) {
        if (group != NULL)
            rd_kafka_consumer_group_metadata_destroy(group);
        return code != FANMAP_OK ? code : err_set(err, FANMAP_ENOMEM, "out of memory");
    }
    atomic_store(&writing->has_refused, writer->has_failed);
    writing->group = group;
    if (n > 0 && group == NULL)
        code = err_set(err, FANMAP_EIO, "this member of the group has no assignment");
    else if (n > 0 && (writing->positions = kafka_positions_copy(topic, positions, n)) == NULL)
        code = err_set(err, FANMAP_ENOMEM, "out of memory");
    if (code == FANMAP_OK)
        ask(writer, writing);
    else
        kafka_writing_drop(&writing->call);
    return code;
}

int bus_writer_commit_alone(bus_writer_t *writer, const char *group, const char *topic, const bus_position_t *positions,
                            size_t n, fanmap_error_t *err)
{
    return commit(writer, rd_kafka_consumer_group_metadata_new(group), topic, positions, n, err);
}

int bus_writer_commit(bus_writer_t *writer, bus_group_t *group, const char *topic, const bus_position_t *positions,
                      size_t n, fanmap_error_t *err)
{
    const kafka_group_t *of = (const kafka_group_t *)group; /* NULL where there are no positions */
    bool is_member = n > 0 && of->metadata != NULL;
    return commit(writer, is_member ? copy_metadata(of->metadata) : NULL, topic, positions, n, err);
}

void bus_writer_abort(bus_writer_t *writer)
{
    writing_t *writing = new_writing(writer, WRITING_ABORT);
    if (writing != NULL)
        ask(writer, writing);
}

static void destroy(kafka_writer_t *writer, rd_kafka_t *rk, rd_kafka_queue_t *queue)
{
    kafka_destroy_t *call = rk == NULL ? NULL : kafka_destroy_new(rk, queue);
    if (call != NULL)
        kafka_destroy_submit(writer->bus, call);
}

void bus_writer_close(bus_writer_t *writer)
{
    if (writer == NULL)
        return;
    for (writing_t *writing = writer->calls; writing != NULL; writing = writing->next)
        writing->writer = NULL;
    kafka_source_unfeed(writer->queue);
    kafka_source_unfeed(writer->of_positions.queue);
    kafka_source_close(&writer->source);
    for (size_t i = 0; i < KAFKA_WRITER_TOPICS; i++)
        if (writer->topics[i] != NULL)
            rd_kafka_topic_destroy(writer->topics[i]);
    destroy(writer, writer->rk, writer->queue);
    destroy(writer, writer->of_positions.rk, writer->of_positions.queue);
    free(writer);
}

static int open_handle(kafka_writer_t *writer, const char *id, rd_kafka_t **ret_rk, rd_kafka_queue_t **ret_queue,
                       fanmap_error_t *err)
{
    int code = kafka_handle_new(writer->bus, KAFKA_WRITER, id, ret_rk, err);
    if (code != FANMAP_OK)
        return code;
    *ret_queue = rd_kafka_queue_get_main(*ret_rk);
    kafka_source_feed(&writer->source, *ret_queue);
    return FANMAP_OK;
}

int bus_writer_open(bus_t *base, const char *id, bool is_plain, uint32_t batch_bytes, bus_writer_fn answered, void *arg,
                    bus_writer_t **ret, fanmap_error_t *err)
{
    kafka_bus_t *bus = (kafka_bus_t *)base;
    kafka_writer_t *writer = calloc(1, sizeof *writer);
    if (writer == NULL)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    *writer = (kafka_writer_t){.bus = bus, .source.fd = -1, .answered = answered, .arg = arg};
    (void)snprintf(writer->id, sizeof writer->id, "%s", id);
    bus->writer_batch_bytes = batch_bytes == 0 || batch_bytes > KAFKA_BATCH_BYTES ? KAFKA_BATCH_BYTES : batch_bytes;
    int code = kafka_source_open(&writer->source, bus->loop, on_turn, writer, err);
    if (code == FANMAP_OK)
        code = open_handle(writer, is_plain ? NULL : id, &writer->rk, &writer->queue, err);
    if (code == FANMAP_OK && is_plain)
        code = open_handle(writer, id, &writer->of_positions.rk, &writer->of_positions.queue, err);
    writing_t *init = NULL;
    if (code == FANMAP_OK && (init = new_writing(writer, WRITING_INIT)) == NULL)
        code = err_set(err, FANMAP_ENOMEM, "out of memory");
    if (code != FANMAP_OK) {
        bus_writer_close(writer);
        return code;
    }
    submit(writer, init);
    *ret = writer;
    return FANMAP_OK;
}
