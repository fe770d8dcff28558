/* One connection: requests in, one after the other, replies out. A handler takes a request over with its operations and
 * answers by the reply_ functions; all of it runs in the loop's thread.
 *
 * Reading and writing hold each other back only by bytes that wait: a body that nobody takes is not read, and a handler
 * that has no room stops producing. Nothing else of the server notices a slow client. */
#ifndef SERVE_CONNECTION_H
#define SERVE_CONNECTION_H

#include "base/buf.h"
#include "serve/access.h"
#include "serve/http/head.h"

typedef struct serve serve_t;
typedef struct connection connection_t;
struct bufferevent;

/* What a handler does; `self` is what it gave to connection_attach. */
typedef struct {
    /* Part of the body. Returns how much was taken; less than `len` pauses the body until connection_resume. */
    size_t (*on_body)(void *self, const char *bytes, size_t len);
    void (*on_body_end)(void *self);
    void (*on_room)(void *self); /* what was written has left, mostly */
    /* Once, at the end: the reply is whole, or the client is gone. Frees `self`; no reply_ call after it. */
    void (*on_close)(void *self);
    /* A client that has gone while its body was paused takes the request with it. Else what it sent is read first. */
    bool ends_with_client;
} exchange_ops_t;

/* Takes over the accepted bufferevent. */
void connection_begin(serve_t *serve, struct bufferevent *bev, const access_t *access);
void connection_close_all(serve_t *serve);

/* ---- for handlers ---- */

const http_head_t *connection_head(const connection_t *c);
serve_t *connection_serve(const connection_t *c);
/* The segment of the path where the route has its {}, decoded. False: it has none, or it is no name. */
bool connection_name(const connection_t *c, char *ret, size_t cap);
/* The body of a route that wants it whole. */
const buf_t *connection_body(const connection_t *c);
void connection_attach(connection_t *c, const exchange_ops_t *ops, void *self);
/* The same with `size` bytes of zeros as `self`, which it returns. NULL: answered with why not. */
void *connection_attach_new(connection_t *c, const exchange_ops_t *ops, size_t size);
void connection_resume(connection_t *c);

/* application/problem+json (RFC 9457); `code` is a word for programs, `detail` a sentence for people. */
void reply_problem(connection_t *c, int status, const char *code, const char *detail);
/* A whole body of JSON. `extra`: header lines, or NULL. */
void reply_json(connection_t *c, int status, const buf_t *body, const char *extra);
void reply_whole(connection_t *c, int status, const char *type, const buf_t *body, const char *extra);
/* A body in chunks. */
void reply_begin(connection_t *c, int status, const char *type, const char *extra);
bool reply_is_begun(const connection_t *c);
void reply_chunk(connection_t *c, const void *bytes, size_t len);
/* A line and its newline; those of one turn of the loop go in one chunk. */
void reply_line(connection_t *c, const char *line, size_t len);
void reply_end(connection_t *c);
/* Breaks the body off, so that the client sees that it is not whole. */
void reply_abort(connection_t *c);
bool reply_has_room(const connection_t *c);

#endif
