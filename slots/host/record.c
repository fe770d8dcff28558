/* The record that an item of a stream is, as its task sees it: names and topic get a NUL, the rest stays in the frame. */
#include <string.h>

#include "schemas/record.h"
#include "slots/host/host.h"

static void put_name(buf_t *b, const char *text, size_t len)
{
    buf_append(b, text, len);
    buf_append(b, "", 1);
}

/* The texts first: where they lie is known once all of them are there. */
static bool put_names(record_t *to, record_context_t context)
{
    stream_header_t header;
    buf_clear(&to->names);
    put_name(&to->names, context.topic, context.topic_len);
    while (record_context_header(&context, &header)) {
        to->headers[to->api.headers_n++] = (fanmap_header_t){"", header.value, header.value_len};
        put_name(&to->names, header.name, header.name_len);
    }
    return !to->names.failed && !context.headers.bad;
}

const fanmap_record_t *record_of_run(record_t *to, const slot_run_t *run)
{
    record_context_t context;
    if (run->context_len == 0 || !record_context_read(run->context, run->context_len, &context))
        return NULL;
    to->api = (fanmap_record_t){.partition = context.partition,
                                .offset = context.offset,
                                .timestamp_ms = context.timestamp_ms,
                                .key = context.key,
                                .key_len = context.key_len,
                                .headers = to->headers,
                                .schema_id = context.schema_id};
    if (!put_names(to, context))
        return NULL;
    const char *name = to->api.topic = (const char *)to->names.data;
    for (size_t i = 0; i < to->api.headers_n; i++)
        to->headers[i].name = name += strlen(name) + 1;
    return &to->api;
}

int record_header(fanmap_attempt_t *attempt, const char *name, const void **ret, size_t *ret_len)
{
    const fanmap_record_t *record = attempt->record;
    for (size_t i = record ? record->headers_n : 0; i-- > 0;) {
        if (strcmp(record->headers[i].name, name) != 0)
            continue;
        *ret = record->headers[i].value;
        *ret_len = record->headers[i].value_len;
        return 0;
    }
    return -1;
}
