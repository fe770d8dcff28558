/* A service runs until it is told to stop: the worker, the aggregator and the stream by one loop, which answers probes, tells that
 * it lives, and drains the service at the first signal. */
#ifndef CLI_SERVICE_H
#define CLI_SERVICE_H

#include "cli/cli.h"
#include "cli/probe.h"

/* The calls of one kind of service, those of fanmap/admin.h. */
typedef struct {
    int (*fd)(const void *service);
    int (*run)(void *service, int timeout_ms, fanmap_error_t *err);
    void (*drain)(void *service); /* async-signal-safe */
    void (*close)(void *service);
    bool (*is_ready)(const void *service); /* NULL: it tells neither systemd nor `fanmap health` that it lives */
    int (*metrics)(const void *service, fanmap_text_fn fn, void *arg, fanmap_error_t *err);
    void (*health)(const void *service, fanmap_health_t *ret);
} service_calls_t;

/* Defines KIND_calls, of the calls whose names begin with fanmap_KIND_. */
/* clang-format off */
#define SERVICE_CALLS(KIND, READY)                                                                                          \
    static int KIND##_fd(const void *s) { return fanmap_##KIND##_fd(s); }                                                   \
    static int KIND##_run(void *s, int ms, fanmap_error_t *err) { return fanmap_##KIND##_run(s, ms, err); }                 \
    static void KIND##_drain(void *s) { fanmap_##KIND##_drain(s); }                                                         \
    static void KIND##_close(void *s) { fanmap_##KIND##_close(s); }                                                         \
    static int KIND##_metrics(const void *s, fanmap_text_fn fn, void *arg, fanmap_error_t *err)                             \
        { return fanmap_##KIND##_metrics(s, fn, arg, err); }                                                                \
    static void KIND##_health(const void *s, fanmap_health_t *ret) { fanmap_##KIND##_health(s, ret, sizeof *ret); }         \
    static const service_calls_t KIND##_calls =                                                                             \
        {KIND##_fd, KIND##_run, KIND##_drain, KIND##_close, READY, KIND##_metrics, KIND##_health};
/* clang-format on */

/* Opens the service, after what is to be known before it starts anything. */
typedef int (*service_open_fn)(arguments_t *arguments, void **ret_service, fanmap_error_t *err);

/* The exit status. */
int service_run(arguments_t *arguments, service_open_fn open, const service_calls_t *calls);

#endif
