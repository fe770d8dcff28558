/* What a service tells its surroundings while it lives: systemd, by the socket that NOTIFY_SOCKET names, and whoever asks
 * `fanmap health`, by the file of --heartbeat. Told from the loop of the service itself: what does not turn is silent. */
#ifndef CLI_LIVENESS_H
#define CLI_LIVENESS_H

#include <sys/socket.h>
#include <sys/un.h>

#include "cli/cli.h"
#include "cli/probe.h"

typedef struct {
    int notify_fd, file_fd; /* -1: nobody asks */
    struct sockaddr_un notify;
    socklen_t notify_len;
    const char *path, *said; /* of the file; the state told last */
    int64_t every_ms, due_ms;
    probe_service_t service;
    fanmap_health_t health; /* as systemd was told it last */
} liveness_t;

/* Before anything is started, for what systemd put into the environment is for us alone. An exit status. */
int liveness_open(liveness_t *l, const arguments_t *arguments);
/* From here on `systemctl status` shows in words what /readyz answers. */
void liveness_of(liveness_t *l, const probe_service_t *service);
/* Before each turn. Returns how long the turn may wait, in ms; -1: for ever. */
int liveness_beat(liveness_t *l, bool is_ready, bool is_stopping);
void liveness_close(liveness_t *l);

#endif
