#include "worker/shell/stream_rules.h"

#include <string.h>

enum { SCHEMA_BYTES = 5 };

/* The last header of that name counts, as readers of Kafka have it. */
static bool passes_filter(const char *filter, const bus_record_t *record)
{
    size_t name_len = strcspn(filter, "="), i = record->headers_n;
    const char *wanted = filter + name_len + 1;
    while (i > 0 && (strlen(record->headers[i - 1].name) != name_len ||
                     memcmp(record->headers[i - 1].name, filter, name_len) != 0))
        i--;
    const bus_header_t *header = i > 0 ? &record->headers[i - 1] : NULL;
    return header && header->value && header->value_len == strlen(wanted) &&
           memcmp(header->value, wanted, header->value_len) == 0;
}

stream_verdict_t stream_judge(const stream_terms_t *terms, const bus_record_t *record, int64_t now_ms)
{
    bool is_old = terms->max_age_ms > 0 && now_ms >= 0 && record->timestamp_ms >= 0 && record->timestamp_ms < now_ms &&
                  (uint64_t)(now_ms - record->timestamp_ms) > terms->max_age_ms;
    if (is_old || (terms->filter[0] != '\0' && !passes_filter(terms->filter, record)))
        return STREAM_SKIP;
    if (record->value || terms->tombstones == TOMBSTONES_PASS)
        return STREAM_TAKE;
    return terms->tombstones == TOMBSTONES_SKIP ? STREAM_SKIP : STREAM_REFUSE;
}

int64_t stream_strip_schema(const void **value, size_t *len)
{
    const uint8_t *bytes = *value;
    if (!bytes || *len < SCHEMA_BYTES || bytes[0] != 0)
        return -1;
    *value = bytes + SCHEMA_BYTES;
    *len -= SCHEMA_BYTES;
    return (int64_t)bytes[1] << 24 | (int64_t)bytes[2] << 16 | (int64_t)bytes[3] << 8 | bytes[4];
}
