/* Who may ask for what: pure, from the head of a request and how it came in.
 *
 * A page of another origin in the user's browser reaches loopback too. It cannot name an allowed Host once a name was
 * bound to loopback behind the browser's back (DNS rebinding), cannot send the media types of writes without asking
 * first (and nobody answers, there is no CORS here), and does not know the token. */
#ifndef SERVE_ACCESS_H
#define SERVE_ACCESS_H

#include "serve/http/head.h"

enum { TOKEN_TEXT_MAX = 128, HOSTS_MAX = 32 };

typedef enum { ACCESS_OPEN, ACCESS_READ, ACCESS_WRITE } access_need_t;

typedef struct {
    bool needs_token; /* not on a Unix socket: its mode says who may connect */
    char read_token[TOKEN_TEXT_MAX], submit_token[TOKEN_TEXT_MAX];
    const char *hosts[HOSTS_MAX]; /* without ports */
    size_t hosts_n;
} access_t;

/* 0, or the status of a refusal with *ret_why. */
int access_check(const access_t *access, const http_head_t *head, access_need_t need, const char **ret_why);

#endif
