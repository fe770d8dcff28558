#include "slots/shared/ctl.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef union {
    struct cmsghdr header;
    char space[CMSG_SPACE(sizeof(int) * CTL_FDS_MAX)];
} ctl_space_t;

int ctl_pair(int type, int ret[2])
{
    return socketpair(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ret);
}

int ctl_send(int fd, const ctl_message_t *message, const int *fds, unsigned fds_n)
{
    ctl_message_t copy = *message;
    struct iovec part = {&copy, sizeof copy};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};
    ctl_space_t space = {0};
    if (fds_n > 0) {
        m.msg_control = &space;
        m.msg_controllen = CMSG_SPACE(sizeof(int) * fds_n);
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int) * fds_n);
        memcpy(CMSG_DATA(c), fds, sizeof(int) * fds_n);
    }
    ssize_t sent = sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && (errno == EINTR || errno == ETOOMANYREFS || errno == ENOBUFS))
        errno = EAGAIN;
    return sent < 0 ? -1 : 0;
}

static void receive_fds(struct msghdr *m, int *fds)
{
    struct cmsghdr *c = CMSG_FIRSTHDR(m);
    if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
        return;
    size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    memcpy(fds, CMSG_DATA(c), (n < CTL_FDS_MAX ? n : CTL_FDS_MAX) * sizeof(int));
}

int ctl_receive(int fd, ctl_message_t *ret, int *fds)
{
    ctl_message_t message = {0};
    struct iovec part = {&message, sizeof message};
    ctl_space_t space = {0};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &space, .msg_controllen = sizeof space};
    for (int i = 0; i < CTL_FDS_MAX; i++)
        fds[i] = -1;
    ssize_t got = recvmsg(fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got < 0)
        return errno == EAGAIN || errno == EINTR ? -1 : 0;
    receive_fds(&m, fds);
    if (got == 0)
        return 0;
    message.text[sizeof message.text - 1] = '\0';
    *ret = message;
    return 1;
}
