/* The body of a request, of a known length or in chunks, taken apart as it arrives. Strict as the head: a chunk's size
 * is one to eight hexadecimal digits directly before CR LF, without extensions; no trailers. */
#ifndef SERVE_HTTP_BODY_H
#define SERVE_HTTP_BODY_H

#include "serve/http/head.h"

typedef enum {
    BODY_SIZE,
    BODY_SIZE_LF,
    BODY_DATA,
    BODY_DATA_CR,
    BODY_DATA_LF,
    BODY_LAST_CR,
    BODY_LAST_LF,
    BODY_END
} body_state_t;

typedef struct {
    body_state_t state;
    bool is_chunked;
    unsigned digits;
    uint64_t left; /* of the body, or of this chunk */
} http_body_t;

void http_body_begin(http_body_t *body, const http_head_t *head);
static inline bool http_body_is_over(const http_body_t *body)
{
    return body->state == BODY_END;
}
/* Reads on through `bytes` until part of the body is there, the body is over or the bytes are. Returns how many bytes
 * were read; *ret_part is what of them belongs to the body (`at` NULL: nothing) and may be taken in pieces:
 * http_body_give_back. -1: it is no such body. */
int64_t http_body_read(http_body_t *body, const char *bytes, size_t len, http_text_t *ret_part);
/* The last `len` bytes of the part that was read just now count as unread. */
void http_body_give_back(http_body_t *body, size_t len);

#endif
