/* Text as a word of a shell. */
#ifndef BASE_QUOTE_H
#define BASE_QUOTE_H

#include "base/buf.h"

/* Appends the bytes as one word for sh, in quotes where it needs them, as GNU parallel writes it. Pure. */
void quote_put_word(buf_t *b, const void *bytes, size_t len);

#endif
