/* A connection: opened with its parts (loop, bus, tokens), closed when its jobs are gone. It fails for good when the
 * broker refuses it or nothing was heard within the connect timeout; then every job fails with it. */
#include "client/connection/client.h"

#include <stdlib.h>

#include "client/connection/connect.h"
#include "client/connection/fleet.h"
#include "client/connection/local.h"
#include "client/connection/log_queries.h"
#include "tokens/presence.h"

void client_fail(fanmap_t *f, const fanmap_error_t *err)
{
    if (f->error.code)
        return;
    f->error = *err;
    for (fanmap_job_t *job = f->jobs; job; job = job->next)
        job_fail(job, err);
}

static void on_bus_error(void *arg, const fanmap_error_t *err)
{
    fanmap_t *f = arg;
    if (err->code == FANMAP_EREFUSED)
        client_fail(f, err);
    else
        client_log(f, f->is_connected ? FANMAP_LOG_WARNING : FANMAP_LOG_DEBUG, "%s", err->message);
}

static void on_bus_log(void *arg, fanmap_log_level_t level, const char *line)
{
    const fanmap_t *f = arg;
    client_log(f, level, "%s", line);
}

static void on_connect_timeout(void *arg)
{
    fanmap_t *f = arg;
    if (f->is_connected)
        return;
    fanmap_error_t err;
    connect_bus_unanswered(f->options, &err);
    client_fail(f, &err);
}

static void on_wake(void *arg)
{
    ((fanmap_t *)arg)->was_woken = true;
}

static int open_parts(fanmap_t *f, fanmap_error_t *err)
{
    int r = loop_new(&f->loop, err);
    if (r == FANMAP_OK)
        loop_on_wake(f->loop, on_wake, f);
    if (r == FANMAP_OK)
        r = loop_timer_new(f->loop, on_connect_timeout, f, &f->connect_timer, err);
    if (r == FANMAP_OK)
        r = f->is_local
                ? bus_open_memory(f->loop, &f->bus, err)
                : connect_bus(f->loop, f->options, f->fetch_kbytes, false, on_bus_error, on_bus_log, f, &f->bus, err);
    if (r == FANMAP_OK && !f->is_local)
        r = connect_tokens(f->loop, f->options, on_bus_error, f, &f->tokens, &f->presence, err);
    return r;
}

int connection_open(const fanmap_options_t *options, uint32_t fetch_kbytes, const client_hooks_t *hooks,
                    fanmap_log_fn log, void *log_arg, fanmap_t **ret_f, fanmap_error_t *err)
{
    fanmap_t *f = calloc(1, sizeof *f);
    if (!f)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    f->hooks = hooks;
    f->log = log;
    f->log_arg = log_arg;
    f->fetch_kbytes = fetch_kbytes;
    f->options = options_copy(options);
    if (!f->options) {
        free(f);
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    }
    f->is_local = options_switch(f->options, OPT_LOCAL);
    f->is_connected = f->is_local;
    f->namespace_name = options_text(f->options, OPT_NAMESPACE);
    int r = options_check_files(f->options, log, log_arg, err);
    if (r == FANMAP_OK)
        r = open_parts(f, err);
    if (r != FANMAP_OK) {
        connection_close(f);
        return r;
    }
    *ret_f = f;
    return FANMAP_OK;
}

void connection_close(fanmap_t *f)
{
    local_stop(f);
    if (f->tokens)
        f->tokens->close(f->tokens);
    presence_close(f->presence);
    bus_close(f->bus, 1000);
    log_queries_free(f);
    fleet_free(f);
    queues_free(f);
    loop_timer_free(f->connect_timer);
    loop_free(f->loop);
    fanmap_options_free(f->options);
    free(f);
}
