/* What goes back: a head, and a body of a known length or in chunks. */
#ifndef SERVE_HTTP_REPLY_H
#define SERVE_HTTP_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

typedef struct {
    int status;
    const char *type;  /* Content-Type; NULL: no body is described */
    const char *extra; /* further header lines, each with its CR LF; NULL: none */
    bool is_chunked, closes;
    uint64_t length;
} http_reply_t;

/* "Not Found" for 404. */
const char *http_reason(int status);
void http_reply_head(buf_t *out, const http_reply_t *reply);
/* The line before a chunk of `len` bytes; behind them comes HTTP_CHUNK_TAIL. Returns its length, at most 18. */
size_t http_chunk_head(char ret[20], size_t len);
#define HTTP_CHUNK_TAIL "\r\n"
#define HTTP_LAST_CHUNK "0\r\n\r\n"

#endif
