/* URLs of Redis, part by part, with percent-escapes. A message about a bad one never quotes what could be a password.
 */
#include "tokens/redis_url.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "io/trusted_file.h"

/* Copies [from, to), %-escapes decoded. Returns false if it is too long, or holds a broken escape, or a NUL. */
static bool decode(const char *from, const char *to, char *ret, size_t cap)
{
    size_t n = 0;
    for (const char *p = from; p < to; p++) {
        char c = *p;
        if (c == '%') {
            int high = to - p > 2 ? text_hex_digit(p[1]) : -1, low = high >= 0 ? text_hex_digit(p[2]) : -1;
            if (low < 0)
                return false;
            c = (char)(high * 16 + low);
            p += 2;
        }
        if (c == '\0' || n + 1 >= cap)
            return false;
        ret[n++] = c;
    }
    ret[n] = '\0';
    return true;
}

static bool parse_number(const char *from, const char *to, unsigned long max, unsigned long *ret)
{
    unsigned long value = 0;
    if (from == to || to - from > 9)
        return false;
    for (const char *p = from; p < to; p++) {
        if (*p < '0' || *p > '9')
            return false;
        value = value * 10 + (unsigned long)(*p - '0');
    }
    if (value > max)
        return false;
    *ret = value;
    return true;
}

/* [USER]:PASSWORD or USER, in front of the @. */
static bool parse_login(const char *from, const char *to, redis_url_t *url)
{
    const char *colon = memchr(from, ':', (size_t)(to - from));
    if (!decode(from, colon ? colon : to, url->user, sizeof url->user))
        return false;
    return colon == NULL || decode(colon + 1, to, url->password, sizeof url->password);
}

static bool parse_db(const char *from, const char *to, redis_url_t *url)
{
    unsigned long db = 0;
    if (from < to && !parse_number(from, to, 65535, &db))
        return false;
    url->db = (uint32_t)db;
    return true;
}

static int parse_tcp(const char *from, redis_url_t *url, fanmap_error_t *err)
{
    const char *end = from + strlen(from), *slash = strchr(from, '/');
    const char *to = slash ? slash : end, *host_end, *colon;
    if (*from == '[') {
        host_end = memchr(from, ']', (size_t)(to - from));
        if (!host_end)
            return err_set(err, FANMAP_EUSAGE, "the Redis URL lacks a ] after its IPv6 address");
        from++;
        colon = host_end + 1 < to ? host_end + 1 : NULL;
    } else {
        colon = memchr(from, ':', (size_t)(to - from));
        host_end = colon ? colon : to;
    }
    unsigned long port = 6379;
    if (from == host_end || !decode(from, host_end, url->host, sizeof url->host))
        return err_set(err, FANMAP_EUSAGE, "the Redis URL has no host; write redis://HOST:PORT");
    if (colon && (*colon != ':' || !parse_number(colon + 1, to, 65535, &port) || port == 0))
        return err_set(err, FANMAP_EUSAGE, "the port in the Redis URL must be a number from 1 to 65535");
    if (slash && !parse_db(slash + 1, end, url))
        return err_set(err, FANMAP_EUSAGE, "what follows the / in the Redis URL must be the number of a database");
    url->port = (uint16_t)port;
    return FANMAP_OK;
}

static int parse_unix(const char *from, redis_url_t *url, fanmap_error_t *err)
{
    const char *end = from + strlen(from), *query = strchr(from, '?');
    const char *to = query ? query : end;
    if (*from != '/' || !decode(from, to, url->path, sizeof url->path))
        return err_set(err, FANMAP_EUSAGE, "the Redis URL needs an absolute path of at most %d bytes after unix://",
                       REDIS_PATH_MAX);
    if (query && (strncmp(query, "?db=", 4) != 0 || !parse_db(query + 4, end, url)))
        return err_set(err, FANMAP_EUSAGE, "after the path the Redis URL may only have ?db=NUMBER");
    return FANMAP_OK;
}

static bool begins(const char *text, const char *with, const char **ret_rest)
{
    size_t len = strlen(with);
    if (strncmp(text, with, len) != 0)
        return false;
    *ret_rest = text + len;
    return true;
}

int redis_url_parse(const char *text, redis_url_t *ret, fanmap_error_t *err)
{
    redis_url_t url = {0};
    const char *rest = NULL;
    if (begins(text, "rediss://", &rest))
        return err_set(
            err, FANMAP_EUSAGE,
            "rediss:// (TLS) is not possible with this build's hiredis; use redis:// through a local TLS tunnel");
    bool is_unix = begins(text, "unix://", &rest);
    if (!is_unix && !begins(text, "redis://", &rest))
        return err_set(err, FANMAP_EUSAGE, "a Redis URL begins with redis:// or unix://");
    const char *at = strrchr(rest, '@');
    if (at) {
        if (!parse_login(rest, at, &url))
            return err_set(err, FANMAP_EUSAGE, "the login in the Redis URL is too long or has a broken %%-escape");
        rest = at + 1;
    }
    int code = is_unix ? parse_unix(rest, &url, err) : parse_tcp(rest, &url, err);
    if (code == FANMAP_OK)
        *ret = url;
    return code;
}

int redis_url_read_password(redis_url_t *url, const char *file, fanmap_error_t *err)
{
    FILE *f;
    bool is_shared;
    if (trusted_open(file, &f, &is_shared, err) != FANMAP_OK)
        return err_wrap(err, "the Redis password file %s", file);
    char line[REDIS_SECRET_MAX + 2];
    bool ok = fgets(line, sizeof line, f) != NULL;
    fclose(f);
    line[ok ? strcspn(line, "\r\n") : 0] = '\0';
    if (line[0] == '\0' || strlen(line) > REDIS_SECRET_MAX)
        return err_set(err, FANMAP_EUSAGE, "the first line of the Redis password file %s must be the password", file);
    memcpy(url->password, line, strlen(line) + 1);
    return FANMAP_OK;
}

char *redis_url_place(const redis_url_t *url, char *ret, size_t cap)
{
    if (url->path[0] != '\0')
        snprintf(ret, cap, "%s", url->path);
    else
        snprintf(ret, cap, strchr(url->host, ':') ? "[%s]:%u" : "%s:%u", url->host, url->port);
    return ret;
}
