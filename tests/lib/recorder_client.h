/* How a task tells the recorder that it runs: see tests/lib/recorder.h. One socket an attempt, close-on-exec. */
#ifndef TESTS_LIB_RECORDER_CLIENT_H
#define TESTS_LIB_RECORDER_CLIENT_H

#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Connects to the unix socket or HOST:PORT in `address`; -1 when that fails. */
static inline int recorder_connect(const char *address)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct sockaddr_in in = {.sin_family = AF_INET};
    const char *colon = strrchr(address, ':');
    int is_path = strchr(address, '/') != NULL;
    if (is_path ? strlen(address) >= sizeof un.sun_path : colon == NULL)
        return -1;
    int fd = socket(is_path ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (is_path) {
        memcpy(un.sun_path, address, strlen(address));
    } else {
        in.sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
        in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    }
    const struct sockaddr *to = is_path ? (const struct sockaddr *)&un : (const struct sockaddr *)&in;
    if (connect(fd, to, is_path ? sizeof un : sizeof in) == 0)
        return fd;
    close(fd);
    return -1;
}

/* Returns once the recorder has counted the attempt: the descriptor to close at its end, or -1. The address and the
 * name of the place are in the environment: RECORDER_AT, RECORDER_WHERE. */
static inline int recorder_begin(const char *job, uint64_t index, uint32_t attempt)
{
    const char *address = getenv("RECORDER_AT"), *where = getenv("RECORDER_WHERE");
    int fd = address != NULL ? recorder_connect(address) : -1;
    if (fd < 0)
        return -1;
    char line[256], byte;
    int n = snprintf(line, sizeof line, "%s %llu %u %s\n", job, (unsigned long long)index, attempt,
                     where != NULL ? where : "");
    if (n > 0 && n < (int)sizeof line && send(fd, line, (size_t)n, MSG_NOSIGNAL) == n && recv(fd, &byte, 1, 0) == 1)
        return fd;
    close(fd);
    return -1;
}

static inline void recorder_end(int fd)
{
    if (fd >= 0)
        close(fd);
}

#endif
