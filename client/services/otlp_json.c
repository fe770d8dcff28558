#include "client/services/otlp_json.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "schemas/value.h"

static void put_attribute(buf_t *b, const char *key, const char *value)
{
    buf_printf(b, "{\"key\":\"%s\",\"value\":{\"stringValue\":", key);
    json_put_string(b, value, strlen(value));
    buf_append_text(b, "}}");
}

void otlp_span(buf_t *out, const worker_attempt_t *a, uint64_t span, const char *queue, const char *result,
               uint64_t run_us)
{
    uint64_t end_us = (uint64_t)wall_ms() * 1000;
    const char *parent = a->spec->traceparent;
    buf_printf(out, "%s{\"traceId\":\"%.32s\",\"spanId\":\"%016" PRIx64 "\",\"parentSpanId\":\"%.16s\",\"name\":",
               out->len > 0 ? "," : "", parent + TRACE_ID_AT, span, parent + TRACE_SPAN_AT);
    json_put_string(out, a->spec->task, strlen(a->spec->task));
    buf_printf(out,
               ",\"kind\":5,\"startTimeUnixNano\":\"%" PRIu64 "000\",\"endTimeUnixNano\":\"%" PRIu64
               "000\",\"attributes\":[",
               end_us - run_us, end_us);
    put_attribute(out, "fanmap.job", a->job);
    buf_append_text(out, ",");
    put_attribute(out, "fanmap.queue", queue);
    buf_append_text(out, ",");
    put_attribute(out, "fanmap.result", result);
    buf_printf(out,
               ",{\"key\":\"fanmap.index\",\"value\":{\"intValue\":\"%" PRIu64
               "\"}},{\"key\":\"fanmap.attempt\",\"value\":"
               "{\"intValue\":\"%" PRIu32 "\"}}],\"status\":{\"code\":%d}}",
               a->index, a->attempt, strcmp(result, "value") == 0 ? 1 : 2);
}

void otlp_request(buf_t *out, const char *host, uint16_t port, const char *path, const char *instance,
                  const buf_t *spans)
{
    buf_t body = {0};
    buf_append_text(&body, "{\"resourceSpans\":[{\"resource\":{\"attributes\":[");
    put_attribute(&body, "service.name", "fanmap-worker");
    buf_append_text(&body, ",");
    put_attribute(&body, "service.instance.id", instance);
    buf_append_text(&body, ",");
    put_attribute(&body, "service.version", fanmap_version());
    buf_append_text(&body, "]},\"scopeSpans\":[{\"scope\":{\"name\":\"fanmap\"},\"spans\":[");
    buf_append(&body, spans->data, spans->len);
    buf_append_text(&body, "]}]}]}");
    bool is_v6 = strchr(host, ':') != NULL;
    buf_printf(out,
               "POST %s HTTP/1.1\r\nHost: %s%s%s:%u\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n"
               "Connection: close\r\n\r\n",
               path, is_v6 ? "[" : "", host, is_v6 ? "]" : "", port, body.len);
    buf_append(out, body.data, body.len);
    out->failed |= body.failed;
    buf_free(&body);
}
