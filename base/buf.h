/* A growable run of bytes. An allocation that fails sets `failed` and makes every later append a no-op, so that a chain
 * of appends is checked once, at its end. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint8_t *data; /* NULL while cap is 0 */
    size_t len, cap;
    bool failed;
} buf_t;

/* Makes room for `more` further bytes and returns where they go (b->data + b->len), or NULL. Does not change len. */
void *buf_reserve(buf_t *b, size_t more);
void buf_append(buf_t *b, const void *bytes, size_t len);
void buf_append_text(buf_t *b, const char *text);
void buf_printf(buf_t *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Drops the first `len` bytes. */
void buf_consume(buf_t *b, size_t len);
/* Empties it and keeps the memory; clears `failed`. */
void buf_clear(buf_t *b);
/* Frees the memory; the buffer is empty and usable afterwards. */
void buf_free(buf_t *b);

#endif
