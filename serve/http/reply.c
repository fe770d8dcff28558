#include "serve/http/reply.h"

#include <inttypes.h>
#include <stdio.h>

const char *http_reason(int status)
{
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {{200, "OK"},
                   {201, "Created"},
                   {202, "Accepted"},
                   {204, "No Content"},
                   {400, "Bad Request"},
                   {401, "Unauthorized"},
                   {403, "Forbidden"},
                   {404, "Not Found"},
                   {405, "Method Not Allowed"},
                   {408, "Request Timeout"},
                   {409, "Conflict"},
                   {410, "Gone"},
                   {413, "Content Too Large"},
                   {414, "URI Too Long"},
                   {415, "Unsupported Media Type"},
                   {417, "Expectation Failed"},
                   {421, "Misdirected Request"},
                   {431, "Request Header Fields Too Large"},
                   {501, "Not Implemented"},
                   {502, "Bad Gateway"},
                   {503, "Service Unavailable"},
                   {505, "HTTP Version Not Supported"}};
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "Internal Server Error";
}

void http_reply_head(buf_t *out, const http_reply_t *reply)
{
    buf_printf(out, "HTTP/1.1 %d %s\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n", reply->status,
               http_reason(reply->status));
    if (reply->type)
        buf_printf(out, "Content-Type: %s\r\n", reply->type);
    if (reply->extra)
        buf_append_text(out, reply->extra);
    if (reply->closes)
        buf_append_text(out, "Connection: close\r\n");
    if (reply->is_chunked)
        buf_append_text(out, "Transfer-Encoding: chunked\r\n\r\n");
    else
        buf_printf(out, "Content-Length: %" PRIu64 "\r\n\r\n", reply->length);
}

size_t http_chunk_head(char ret[20], size_t len)
{
    return (size_t)snprintf(ret, 20, "%zx\r\n", len);
}
