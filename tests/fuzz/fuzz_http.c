#include "fuzz.h"
#include "serve/http/body.h"
#include "serve/http/target.h"

static bool is_inside(http_text_t text, const uint8_t *data, size_t size)
{
    const char *from = (const char *)data;
    return !text.at || (text.at >= from && text.at + text.len <= from + size);
}

static void look(const http_head_t *head, const uint8_t *data, size_t size)
{
    char text[64];
    http_text_t query = head->query, name, value;
    MUST(head->path.len > 0 && head->path.at[0] == '/' && head->host.len > 0);
    MUST(!(head->is_chunked && head->length > 0));
    MUST(is_inside(head->path, data, size) && is_inside(head->query, data, size) && is_inside(head->host, data, size));
    (void)http_decode(head->path, false, text, sizeof text);
    while (query.at && http_query_next(&query, &name, &value))
        MUST(is_inside(name, data, size) && is_inside(value, data, size));
}

/* A request as it comes over a connection: the same whether it comes at once or a byte at a time. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *why = NULL;
    http_head_t head, again;
    http_body_t body;
    http_text_t part;
    int n = http_head_read((const char *)data, size, &head, &why);
    MUST(n >= 0 || (why && n <= -400 && n > -600));
    if (n <= 0)
        return 0;
    look(&head, data, size);
    MUST(http_head_read((const char *)data, (size_t)n - 1, &again, &why) == 0);
    http_body_begin(&body, &head);
    for (size_t at = (size_t)n; at < size && !http_body_is_over(&body);) {
        int64_t used = http_body_read(&body, (const char *)data + at, 1 + size % (size - at), &part);
        MUST(used == -1 || (used > 0 && (size_t)used <= size - at && is_inside(part, data, size)));
        if (used < 0)
            break;
        at += (size_t)used;
    }
    return 0;
}
