/* The calls of a writer that block, as the helper makes them: see writer.c. */
#include "io/kafka/writer.h"

#include <stdlib.h>

enum { CALL_MS = 10000, SLICE_MS = 500 };

void kafka_writing_drop(kafka_call_t *call)
{
    writing_t *writing = (writing_t *)call;
    if (writing->positions != NULL)
        rd_kafka_topic_partition_list_destroy(writing->positions);
    if (writing->group != NULL)
        rd_kafka_consumer_group_metadata_destroy(writing->group);
    free(writing);
}

static void take_error(writing_t *writing, rd_kafka_error_t *error)
{
    writing->code = rd_kafka_error_code(error);
    (void)err_set(&writing->error, FANMAP_EIO, "Kafka's transaction: %s", rd_kafka_error_string(error));
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

/* What came to the end of its slice is called again, which goes on with it. */
static bool has_time(writing_t *writing, rd_kafka_resp_err_t code)
{
    writing->goes_on = code == RD_KAFKA_RESP_ERR__TIMED_OUT && (writing->waited_ms += SLICE_MS) < CALL_MS;
    return writing->goes_on;
}

static void end(writing_t *writing)
{
    rd_kafka_error_t *error = NULL;
    if (writing->positions != NULL && !writing->has_sent)
        error = rd_kafka_send_offsets_to_transaction(writing->call.rk, writing->positions, writing->group, CALL_MS);
    writing->has_sent = error == NULL;
    if (error == NULL)
        error = rd_kafka_commit_transaction(writing->call.rk, SLICE_MS);
    if (error == NULL)
        return;
    if (writing->has_sent && rd_kafka_error_is_retriable(error) && has_time(writing, rd_kafka_error_code(error))) {
        rd_kafka_error_destroy(error);
        return;
    }
    bool may_abort = rd_kafka_error_txn_requires_abort(error) || rd_kafka_error_is_retriable(error);
    take_error(writing, error);
    if (may_abort && writing->result == BUS_WRITER_DROPPED)
        drop(writing);
    else
        writing->result = BUS_WRITER_UNKNOWN;
}

/* True: every record is stored, and a transaction for the positions is begun. */
static bool has_stored(writing_t *writing)
{
    if (writing->has_stored)
        return true;
    writing->code = rd_kafka_flush(writing->records, SLICE_MS);
    if (has_time(writing, writing->code))
        return false;
    if (writing->code == RD_KAFKA_RESP_ERR_NO_ERROR && atomic_load(&writing->has_refused))
        writing->code = RD_KAFKA_RESP_ERR__FAIL;
    rd_kafka_error_t *error =
        writing->code == RD_KAFKA_RESP_ERR_NO_ERROR ? rd_kafka_begin_transaction(writing->call.rk) : NULL;
    if (error != NULL)
        take_error(writing, error);
    else if (writing->code != RD_KAFKA_RESP_ERR_NO_ERROR)
        (void)err_set(&writing->error, FANMAP_EIO, "Kafka has not stored everything: %s",
                      rd_kafka_err2str(writing->code));
    if (writing->error.code != 0)
        writing->result = BUS_WRITER_UNKNOWN;
    writing->has_stored = writing->error.code == 0;
    return writing->has_stored;
}

void kafka_writing_run(kafka_call_t *call)
{
    writing_t *writing = (writing_t *)call;
    rd_kafka_error_t *error;
    writing->result = BUS_WRITER_STORED;
    writing->error.code = 0; /* of a try before this one */
    writing->goes_on = false;
    writing->code = RD_KAFKA_RESP_ERR_NO_ERROR;
    if (writing->what == WRITING_COMMIT) {
        if (writing->records == NULL || has_stored(writing))
            end(writing);
    } else if (writing->what == WRITING_ABORT) {
        writing->result = BUS_WRITER_DROPPED;
        if (writing->records == NULL)
            drop(writing);
    } else if ((error = rd_kafka_init_transactions(call->rk, KAFKA_CALL_MS)) != NULL) {
        bool again = rd_kafka_error_is_retriable(error);
        take_error(writing, error);
        writing->result = again ? BUS_WRITER_DROPPED : BUS_WRITER_UNKNOWN;
    }
}
