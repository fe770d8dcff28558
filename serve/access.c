#include "serve/access.h"

#include <string.h>
#include <strings.h>

/* HOST, HOST:PORT, [V6], [V6]:PORT: without the port. */
static http_text_t without_port(http_text_t host)
{
    const char *close = host.len > 0 && host.at[0] == '[' ? memchr(host.at, ']', host.len) : NULL;
    const char *from = close ? close : host.at;
    const char *colon = memchr(from, ':', host.len - (size_t)(from - host.at));
    return (http_text_t){host.at, colon ? (size_t)(colon - host.at) : host.len};
}

static bool is_allowed_host(const access_t *access, http_text_t host)
{
    http_text_t name = without_port(host);
    for (size_t i = 0; i < access->hosts_n; i++)
        if (http_text_is(name, access->hosts[i]))
            return true;
    return false;
}

/* Origin is SCHEME://AUTHORITY of the page that asks; it has to be ours: the Host that was asked. */
static bool is_own_origin(http_text_t origin, http_text_t host)
{
    const char *const schemes[] = {"http://", "https://"};
    for (size_t i = 0; i < 2; i++) {
        size_t n = strlen(schemes[i]);
        if (origin.len == n + host.len && strncasecmp(origin.at, schemes[i], n) == 0 &&
            strncasecmp(origin.at + n, host.at, host.len) == 0)
            return true;
    }
    return false;
}

static bool is_type_of_writes(http_text_t type)
{
    const char *end = type.at ? memchr(type.at, ';', type.len) : NULL;
    http_text_t bare = {type.at, end ? (size_t)(end - type.at) : type.len};
    while (bare.len > 0 && bare.at[bare.len - 1] == ' ')
        bare.len--;
    return http_text_is(bare, "application/json") || http_text_is(bare, "application/x-ndjson");
}

/* In a time that does not tell how much of it was right. */
static bool is_token(http_text_t given, const char *token)
{
    size_t len = strlen(token);
    unsigned char differs = len == 0 || given.len != len;
    for (size_t i = 0; i < given.len && len > 0; i++)
        differs |= (unsigned char)given.at[i] ^ (unsigned char)token[i % len];
    return !differs;
}

static int check_token(const access_t *access, const http_head_t *head, access_need_t need, const char **ret_why)
{
    http_text_t given = head->authorization;
    if (!given.at || given.len < 7 || strncasecmp(given.at, "Bearer ", 7) != 0) {
        *ret_why =
            "Authorization: Bearer TOKEN is missing; the token stands in the file that fanmap serve named at its start";
        return 401;
    }
    given = (http_text_t){given.at + 7, given.len - 7};
    if (is_token(given, access->submit_token))
        return 0;
    if (!is_token(given, access->read_token)) {
        *ret_why = "this token is not valid";
        return 401;
    }
    *ret_why = "this token may only read";
    return need == ACCESS_WRITE ? 403 : 0;
}

int access_check(const access_t *access, const http_head_t *head, access_need_t need, const char **ret_why)
{
    if (!is_allowed_host(access, head->host)) {
        *ret_why = "this Host is not served here; allow it with --allow-host";
        return 421;
    }
    if (need == ACCESS_WRITE && head->origin.at && !is_own_origin(head->origin, head->host)) {
        *ret_why = "a page of another origin may not write";
        return 403;
    }
    if (need != ACCESS_OPEN && access->needs_token) {
        int status = check_token(access, head, need, ret_why);
        if (status)
            return status;
    }
    if (need == ACCESS_WRITE && !is_type_of_writes(head->content_type)) {
        *ret_why = "a write has Content-Type: application/json or application/x-ndjson";
        return 415;
    }
    return 0;
}
