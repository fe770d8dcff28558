#include <string.h>

#include "base/duration.h"
#include "base/text.h"
#include "fuzz.h"
#include "schemas/value.h"

/* Escaped text is printable UTF-8; a duration or size that is read prints to the same. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char shown[100], text[40];
    int64_t ms, ms_again;
    uint64_t bytes, bytes_again;
    text_escape_to(shown, sizeof shown, (const char *)data, size);
    MUST(text_utf8_valid(shown, strlen(shown)));
    for (const char *c = shown; *c; c++)
        MUST((unsigned char)*c >= 0x20 && *c != 0x7F);
    size_t n = size < sizeof text - 1 ? size : sizeof text - 1;
    if (n > 0)
        memcpy(text, data, n);
    text[n] = '\0';
    if (duration_parse(text, &ms, NULL) == FANMAP_OK)
        MUST(duration_parse(duration_format(shown, sizeof shown, ms), &ms_again, NULL) == FANMAP_OK && ms == ms_again);
    if (size_parse(text, &bytes, NULL) == FANMAP_OK)
        MUST(size_parse(size_format(shown, sizeof shown, bytes), &bytes_again, NULL) == FANMAP_OK &&
             bytes == bytes_again);
    buf_t b = {0};
    json_put_string(&b, (const char *)data, size);
    MUST(text_utf8_valid(b.data, b.len));
    buf_free(&b);
    return 0;
}
