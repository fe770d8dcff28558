/* A pack that fills up with outcomes of items that are never sent; it goes out when it is large or a few milliseconds
 * old. */
#include "producer/refused.h"

static size_t cut_message(const char *text, size_t len)
{
    if (len <= REFUSED_MESSAGE_MAX)
        return len;
    len = REFUSED_MESSAGE_MAX;
    while (len > 0 && ((uint8_t)text[len] & 0xC0) == 0x80)
        len--;
    return len;
}

static void put_outcome(refused_t *refused, const outcome_t *outcome, int64_t now_ms)
{
    if (refused->n++ == 0)
        refused->since_ms = now_ms;
    joblog_put_outcome(&refused->body, outcome);
}

void refused_add(refused_t *refused, uint64_t index, fanmap_kind_t kind, const char *message, size_t len,
                 int64_t now_ms)
{
    outcome_t outcome = {.index = index, .kind = kind, .type = "", .stderr_tail = ""};
    outcome.message = message;
    outcome.message_len = cut_message(message, len);
    put_outcome(refused, &outcome, now_ms);
}

void refused_carry(refused_t *refused, uint64_t index, const void *entry, size_t len, int64_t now_ms)
{
    joblog_record_t one = {.outcomes_left = 1};
    outcome_t outcome;
    mp_reader_init(&one.outcomes, entry, len);
    if (!joblog_next_outcome(&one, &outcome))
        outcome = (outcome_t){.kind = FANMAP_PROTOCOL, .type = "", .message = "", .stderr_tail = ""};
    outcome.index = index;
    put_outcome(refused, &outcome, now_ms);
}

bool refused_full(const refused_t *refused)
{
    return refused->body.len >= REFUSED_PACK_BYTES;
}

bool refused_due(const refused_t *refused, int64_t now_ms)
{
    return refused->n > 0 && (refused_full(refused) || now_ms - refused->since_ms >= REFUSED_LINGER_MS);
}

uint64_t refused_flush(refused_t *refused, buf_t *record)
{
    joblog_encode_pack(record, refused->body.data, refused->body.len, refused->n);
    record->failed |= refused->body.failed;
    buf_clear(&refused->body);
    refused->n = 0;
    return refused->pack++;
}

void refused_free(refused_t *refused)
{
    buf_free(&refused->body);
}
