/* Where Redis is and who asks. No message of this file holds any part of a URL that could be a secret. */
#ifndef TOKENS_REDIS_URL_H
#define TOKENS_REDIS_URL_H

#include "base/error.h"

enum { REDIS_HOST_MAX = 255, REDIS_SECRET_MAX = 511, REDIS_PATH_MAX = 107 };

typedef struct {
    char host[REDIS_HOST_MAX + 1]; /* "" for a unix socket */
    char path[REDIS_PATH_MAX + 1]; /* "" for TCP */
    uint16_t port;
    char user[REDIS_SECRET_MAX + 1];     /* "": the default user */
    char password[REDIS_SECRET_MAX + 1]; /* "": none */
    uint32_t db;
} redis_url_t;

/* The forms are told in redis_port.h. FANMAP_EUSAGE with a message that says what is wrong. */
int redis_url_parse(const char *text, redis_url_t *ret, fanmap_error_t *err);
/* The first line of the file into url->password. FANMAP_EUSAGE: unreadable, empty, too long, or not to be trusted
 * (io/trusted_file.h). */
int redis_url_read_password(redis_url_t *url, const char *file, fanmap_error_t *err);
/* "HOST:PORT" or the path, for messages. Returns `ret`. */
char *redis_url_place(const redis_url_t *url, char *ret, size_t cap);

#endif
