#include "cli/probe.h"

#include "base/text.h"
#include "serve/http/head.h"
#include "serve/http/reply.h"
#include "views/views.h"

static const char text_type[] = "text/plain; charset=utf-8", json_type[] = "application/json";

static void keep_text(void *arg, const char *text, size_t len)
{
    buf_append(arg, text, len);
}

static bool is_at(const http_head_t *head, const char *path)
{
    return text_is(head->path.at, head->path.len, path);
}

/* Fills `body`; the reply's status and type. */
static http_reply_t answer_request(const http_head_t *head, const probe_service_t *service, buf_t *body)
{
    fanmap_error_t err = {.message = ""};
    fanmap_health_t health;
    if (head->method != HTTP_GET && head->method != HTTP_HEAD) {
        buf_append_text(body, "only GET and HEAD are answered here\n");
        return (http_reply_t){.status = 405, .type = text_type};
    }
    if (is_at(head, "/metrics")) {
        if (service->metrics(service->service, keep_text, body, &err) == FANMAP_OK)
            return (http_reply_t){.status = 200, .type = "text/plain; version=0.0.4; charset=utf-8"};
        buf_printf(body, "%s\n", err.message);
        return (http_reply_t){.status = 503, .type = text_type};
    }
    if (is_at(head, "/healthz")) {
        buf_append_text(body, "{\"status\":\"ok\"}\n");
        return (http_reply_t){.status = 200, .type = json_type};
    }
    if (is_at(head, "/readyz")) {
        service->health(service->service, &health);
        return (http_reply_t){.status = view_health(body, &health), .type = json_type};
    }
    buf_append_text(body, "there is nothing at this path: /metrics, /healthz, /readyz\n");
    return (http_reply_t){.status = 404, .type = text_type};
}

bool probe_answer(const char *bytes, size_t len, const probe_service_t *service, buf_t *out)
{
    http_head_t head = {.method = HTTP_GET};
    buf_t body = {0};
    const char *why;
    int n = http_head_read(bytes, len, &head, &why);
    if (n == 0)
        return false;
    http_reply_t reply = {.status = n < 0 ? -n : 400, .type = text_type};
    if (n < 0)
        buf_printf(&body, "%s\n", why);
    else if (head.is_chunked || head.length > 0)
        buf_append_text(&body, "a request here has no body\n");
    else
        reply = answer_request(&head, service, &body);
    reply.closes = true;
    reply.length = body.len;
    http_reply_head(out, &reply);
    if (n < 0 || head.method != HTTP_HEAD)
        buf_append(out, body.data, body.len);
    out->failed |= body.failed;
    buf_free(&body);
    return true;
}
