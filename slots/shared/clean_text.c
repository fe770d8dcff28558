#include "slots/shared/clean_text.h"

#include "base/text.h"

void clean_text(buf_t *b, const char *bytes, size_t len)
{
    while (len > 0) {
        uint32_t scalar = 0;
        size_t n = text_utf8_decode(bytes, len, &scalar);
        if (n > 0 && scalar != 0)
            buf_append(b, bytes, n);
        else
            buf_append_text(b, "\xef\xbf\xbd");
        n = n > 0 ? n : 1;
        bytes += n;
        len -= n;
    }
}
