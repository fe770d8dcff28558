/* The head of an HTTP/1.1 request (RFC 9110, RFC 9112), read strictly: whatever two readers could take in two ways is
 * refused, so that nothing can be smuggled past a proxy in front. Lines end with CR LF and nothing else; no folded lines;
 * a name is a token directly before its colon; Host, Content-Length and the others below come at most once; a body has
 * a length or is chunked, never both; no trailers. Pure: the caller brings the bytes. */
#ifndef SERVE_HTTP_HEAD_H
#define SERVE_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HTTP_HEAD_MAX = 16384, HTTP_FIELDS_MAX = 64 };

/* Part of the request, not terminated; `at` NULL: not there. */
typedef struct {
    const char *at;
    size_t len;
} http_text_t;

typedef enum { HTTP_GET, HTTP_HEAD, HTTP_POST, HTTP_PUT, HTTP_PATCH } http_method_t;

/* Borrows the bytes that it was read from. */
typedef struct {
    http_method_t method;
    http_text_t path, query; /* of the target, still percent-encoded; query: behind the ?, NULL without one */
    http_text_t host, origin, content_type, authorization, accept, last_event_id;
    bool is_chunked, wants_close, wants_continue;
    uint64_t length; /* of the body; 0 when it is chunked */
} http_head_t;

/* The length of the head with the empty line behind it, or 0: more bytes are needed, or the negated status of a
 * refusal (400, 405, 414, 415, 417, 431, 501, 505), with *ret_why a sentence. */
int http_head_read(const char *bytes, size_t len, http_head_t *ret_head, const char **ret_why);

const char *http_method_name(http_method_t method);
/* Accept names events (text/event-stream). */
bool http_wants_events(const http_head_t *head);
/* `text` against a word, whatever the case. */
bool http_text_is(http_text_t text, const char *word);

#endif
