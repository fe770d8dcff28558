#include "cli/tag.h"

#include <string.h>

void tag_put_lines(buf_t *ret, const char *tag, size_t tag_len, const char *text, size_t len)
{
    while (len > 0) {
        const char *end = memchr(text, '\n', len);
        size_t n = end ? (size_t)(end - text) + 1 : len;
        buf_append(ret, tag, tag_len);
        buf_append(ret, "\t", 1);
        buf_append(ret, text, n);
        text += n;
        len -= n;
    }
}
