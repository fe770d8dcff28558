#include "slots/shared/inlet.h"

#include <errno.h>
#include <sys/socket.h>

int inlet_next(inlet_t *i, slot_frame_t *ret)
{
    size_t used = 0;
    int got = slot_frame_decode(i->in.data + i->at, i->in.len - i->at, INLET_FRAME_MAX, ret, &used);
    i->last = used;
    i->at += used;
    return got;
}

void inlet_unread(inlet_t *i)
{
    i->at -= i->last;
    i->last = 0;
}

int inlet_fill(inlet_t *i, bool wait)
{
    buf_consume(&i->in, i->at);
    i->at = i->last = 0;
    void *room = buf_reserve(&i->in, INLET_READ_BYTES);
    if (!room)
        return 0;
    ssize_t n = recv(i->fd, room, INLET_READ_BYTES, wait ? 0 : MSG_DONTWAIT);
    if (n > 0)
        i->in.len += (size_t)n;
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? -1 : 0;
    return n > 0;
}
