/* Where fanmap serve listens: a Unix socket that its user alone may open, or HOST:PORT. */
#ifndef SERVE_LISTENER_H
#define SERVE_LISTENER_H

#include "fanmap/fanmap.h"

typedef struct serve serve_t;
typedef struct listener listener_t;

enum { LISTENER_NAME_BYTES = 160 };

/* A stale socket of a server that is gone is taken over; one that answers is not. */
int listener_open_unix(serve_t *serve, const char *path, listener_t **ret, fanmap_error_t *err);
int listener_open_tcp(serve_t *serve, const char *host_port, listener_t **ret, fanmap_error_t *err);
/* A bound socket, blocking and not yet listening; `option` is named by errors. *ret_name: as listener_name. */
int listener_bind_tcp(const char *option, const char *host_port, char *ret_name, size_t cap, fanmap_error_t *err);
/* HOST:PORT or [V6]:PORT apart. False: it is neither. */
bool listener_split(const char *host_port, char *ret_host, size_t host_cap, char *ret_port, size_t port_cap);
bool listener_is_loopback(const char *host);
/* "http://127.0.0.1:8080", with the port that the system chose for :0; or the path. */
const char *listener_name(const listener_t *listener);
void listener_close(listener_t *listener);

#endif
