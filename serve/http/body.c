#include "serve/http/body.h"

#include "base/text.h"

enum { SIZE_DIGITS_MAX = 8 };

void http_body_begin(http_body_t *body, const http_head_t *head)
{
    bool is_empty = !head->is_chunked && head->length == 0;
    *body = (http_body_t){is_empty           ? BODY_END
                          : head->is_chunked ? BODY_SIZE
                                             : BODY_DATA,
                          head->is_chunked, 0, head->length};
}

static bool read_size(http_body_t *body, char c)
{
    int digit = text_hex_digit(c);
    if (digit >= 0 && body->digits < SIZE_DIGITS_MAX) {
        body->left = (body->digits++ == 0 ? 0 : body->left * 16) + (uint64_t)digit;
        return true;
    }
    if (c != '\r' || body->digits == 0)
        return false;
    body->state = BODY_SIZE_LF;
    return true;
}

static bool expect(http_body_t *body, char c, char wanted, body_state_t next)
{
    body->state = next;
    return c == wanted;
}

/* One byte of what frames the chunks. */
static bool read_frame(http_body_t *body, char c)
{
    switch (body->state) {
    case BODY_SIZE:
        return read_size(body, c);
    case BODY_SIZE_LF:
        body->digits = 0;
        return expect(body, c, '\n', body->left > 0 ? BODY_DATA : BODY_LAST_CR);
    case BODY_DATA_CR:
        return expect(body, c, '\r', BODY_DATA_LF);
    case BODY_DATA_LF:
        return expect(body, c, '\n', BODY_SIZE);
    case BODY_LAST_CR:
        return expect(body, c, '\r', BODY_LAST_LF);
    case BODY_LAST_LF:
        return expect(body, c, '\n', BODY_END);
    case BODY_DATA:
    case BODY_END:
        break;
    }
    return false;
}

int64_t http_body_read(http_body_t *body, const char *bytes, size_t len, http_text_t *ret_part)
{
    size_t at = 0;
    *ret_part = (http_text_t){NULL, 0};
    while (at < len && body->state != BODY_END && body->state != BODY_DATA)
        if (!read_frame(body, bytes[at++]))
            return -1;
    if (body->state != BODY_DATA || at == len)
        return (int64_t)at;
    size_t n = len - at < body->left ? len - at : (size_t)body->left;
    *ret_part = (http_text_t){bytes + at, n};
    body->left -= n;
    if (body->left == 0)
        body->state = body->is_chunked ? BODY_DATA_CR : BODY_END;
    return (int64_t)(at + n);
}

void http_body_give_back(http_body_t *body, size_t len)
{
    if (len == 0)
        return;
    body->left += len;
    body->state = BODY_DATA;
}
