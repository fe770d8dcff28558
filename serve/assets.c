/* What is the same for everyone and says nothing of the fleet. */
#include "serve/assets.h"

#include "serve/handlers.h"

static void send(connection_t *c, const char *type, const unsigned char *bytes, size_t len)
{
    buf_t body = {0};
    buf_append(&body, bytes, len);
    reply_whole(c, 200, type, &body, NULL);
    buf_free(&body);
}

void send_openapi(connection_t *c)
{
    send(c, "application/json", asset_openapi_json, asset_openapi_json_len);
}
