/* The thread and the loop's side share one struct; whoever is the last to leave frees it. The thread writes the
 * addresses, says so, and rings an eventfd; it touches nothing else. */
#include "tokens/resolve.h"

#include <errno.h>
#include <netdb.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "io/thread.h"

enum { STACK_BYTES = 256 * 1024 };

/* Shared by the loop's side and the thread; the last of the two frees it. The thread writes the results, then rings. */
struct resolve {
    atomic_int owners;
    atomic_bool done; /* the results are there */
    int ring;         /* eventfd */
    char host[256];
    int failure; /* of getaddrinfo */
    size_t n;
    char addresses[RESOLVE_MAX][RESOLVE_ADDRESS_MAX];
    /* The loop's side only. */
    loop_watch_t *watch;
    resolve_fn fn;
    void *arg;
};

static void release(resolve_t *r)
{
    if (atomic_fetch_sub(&r->owners, 1) > 1)
        return;
    close(r->ring);
    free(r);
}

static void *resolve_name(void *arg)
{
    resolve_t *r = arg;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG}, *found = NULL;
    r->failure = getaddrinfo(r->host, NULL, &hints, &found);
    for (struct addrinfo *a = found; r->failure == 0 && a && r->n < RESOLVE_MAX; a = a->ai_next)
        if (getnameinfo(a->ai_addr, a->ai_addrlen, r->addresses[r->n], RESOLVE_ADDRESS_MAX, NULL, 0, NI_NUMERICHOST) ==
            0)
            r->n++;
    if (found)
        freeaddrinfo(found);
    atomic_store(&r->done, true);
    uint64_t one = 1;
    ssize_t written = write(r->ring, &one, sizeof one);
    (void)written; /* an eventfd at 0 takes it */
    release(r);
    return NULL;
}

static void on_ring(void *arg, int fd, unsigned events)
{
    (void)fd;
    (void)events;
    resolve_t *r = arg;
    if (!atomic_load(&r->done))
        return;
    loop_watch_remove(r->watch);
    r->fn(r->arg, r->addresses, r->n, r->failure != 0 ? gai_strerror(r->failure) : "no address");
    release(r);
}

int resolve_start(loop_t *loop, const char *host, resolve_fn fn, void *arg, resolve_t **ret, fanmap_error_t *err)
{
    resolve_t *r = calloc(1, sizeof *r);
    if (!r)
        return err_set(err, FANMAP_ENOMEM, "no memory to resolve a name");
    snprintf(r->host, sizeof r->host, "%s", host);
    r->fn = fn;
    r->arg = arg;
    atomic_init(&r->owners, 2);
    r->ring = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int code = r->ring >= 0 ? loop_watch_add(loop, r->ring, LOOP_READ, on_ring, r, &r->watch, err)
                            : err_set_retry(err, FANMAP_EUNREACHABLE, "eventfd: %s", strerror(errno));
    if (code == FANMAP_OK) {
        int failure = thread_start(resolve_name, r, STACK_BYTES, NULL);
        if (failure == 0) {
            *ret = r;
            return FANMAP_OK;
        }
        loop_watch_remove(r->watch);
        code = err_set_retry(err, FANMAP_EUNREACHABLE, "a thread to resolve %s: %s", host, strerror(failure));
    }
    if (r->ring >= 0)
        close(r->ring);
    free(r);
    return code;
}

void resolve_forget(resolve_t *resolve)
{
    loop_watch_remove(resolve->watch);
    release(resolve);
}
