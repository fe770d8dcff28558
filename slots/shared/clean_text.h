/* Bytes that a task wrote, made into text that may be called UTF-8. */
#ifndef SLOTS_SHARED_CLEAN_TEXT_H
#define SLOTS_SHARED_CLEAN_TEXT_H

#include "base/buf.h"

/* Appends the bytes; each one that is not UTF-8, and each NUL, becomes U+FFFD. */
void clean_text(buf_t *b, const char *bytes, size_t len);

#endif
