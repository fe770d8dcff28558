/* What handlers say on their connection. */
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "schemas/value.h"
#include "serve/connection_state.h"
#include "serve/http/reply.h"
#include "serve/internal.h"

enum { OUT_HIGH = 256 << 10, LINES_MAX = 16 << 10 };

static void write_reply(connection_t *c, http_reply_t *reply, const void *body, size_t len)
{
    buf_t out = {0};
    if (c->is_replied)
        return;
    reply->closes = c->closes = c->closes || c->state == BODY;
    reply->length = len;
    if (!c->is_begun)
        counts_answer(&c->serve->counts, c->route, reply->status, mono_us() - c->asked_us);
    http_reply_head(&out, reply);
    if (!reply->is_chunked && (c->state == HEAD || c->head.method != HTTP_HEAD))
        buf_append(&out, body, len);
    bufferevent_write(c->bev, out.data, out.len);
    buf_free(&out);
    c->is_begun = true;
    c->is_replied = !reply->is_chunked;
    connection_turn_soon(c);
}

void reply_whole(connection_t *c, int status, const char *type, const buf_t *body, const char *extra)
{
    http_reply_t reply = {.status = status, .type = type, .extra = extra};
    write_reply(c, &reply, body->data, body->len);
}

void reply_json(connection_t *c, int status, const buf_t *body, const char *extra)
{
    reply_whole(c, status, status >= 400 ? "application/problem+json" : "application/json", body, extra);
}

/* The header that this status has to have. */
static const char *header_of(const connection_t *c, int status, char *ret, size_t cap)
{
    if (status == 401)
        return "WWW-Authenticate: Bearer\r\n";
    if (status != 405)
        return NULL;
    snprintf(ret, cap, "Allow: %s\r\n", c->allow[0] ? c->allow : "GET, HEAD, POST, PUT, PATCH");
    return ret;
}

void reply_problem(connection_t *c, int status, const char *code, const char *detail)
{
    char header[ROUTE_ALLOW_MAX + 16];
    buf_t body = {0};
    buf_printf(&body, "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%d,\"code\":\"%s\",\"detail\":",
               http_reason(status), status, code);
    json_put_string(&body, detail, strlen(detail));
    buf_append(&body, "}\n", 2);
    reply_json(c, status, &body, header_of(c, status, header, sizeof header));
    buf_free(&body);
}

void reply_begin(connection_t *c, int status, const char *type, const char *extra)
{
    http_reply_t reply = {.status = status, .type = type, .extra = extra, .is_chunked = true};
    write_reply(c, &reply, NULL, 0);
}

bool reply_is_begun(const connection_t *c)
{
    return c->is_begun;
}

static void write_chunk(connection_t *c, const void *bytes, size_t len)
{
    char head[20];
    bufferevent_write(c->bev, head, http_chunk_head(head, len));
    bufferevent_write(c->bev, bytes, len);
    bufferevent_write(c->bev, HTTP_CHUNK_TAIL, 2);
}

void reply_flush(connection_t *c)
{
    if (c->lines.failed)
        reply_abort(c);
    else if (c->lines.len > 0)
        write_chunk(c, c->lines.data, c->lines.len);
    buf_clear(&c->lines);
}

void reply_chunk(connection_t *c, const void *bytes, size_t len)
{
    if (len == 0 || c->is_replied)
        return;
    reply_flush(c);
    write_chunk(c, bytes, len);
}

void reply_line(connection_t *c, const char *line, size_t len)
{
    if (c->is_replied)
        return;
    if (c->lines.len == 0)
        connection_turn_soon(c);
    buf_append(&c->lines, line, len);
    buf_append(&c->lines, "\n", 1);
    if (c->lines.len >= LINES_MAX)
        reply_flush(c);
}

void reply_end(connection_t *c)
{
    if (c->is_replied)
        return;
    reply_flush(c);
    bufferevent_write(c->bev, HTTP_LAST_CHUNK, strlen(HTTP_LAST_CHUNK));
    c->is_replied = true;
    connection_turn_soon(c);
}

void reply_abort(connection_t *c)
{
    c->is_replied = c->is_aborted = c->closes = true;
    connection_turn_soon(c);
}

bool reply_has_room(const connection_t *c)
{
    return evbuffer_get_length(bufferevent_get_output(c->bev)) + c->lines.len < OUT_HIGH;
}
