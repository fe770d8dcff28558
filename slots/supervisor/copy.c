#include "slots/supervisor/copy.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

void copy_begin(copy_t *copy, uint64_t index, uint32_t attempt)
{
    copy->index = index;
    copy->attempt = attempt;
    copy->has_ended = false;
}

/* Other slots write there too: what poll saw may be gone. A pipe that cannot be asked not to wait makes a frame wait for
 * whoever was quicker, at most. */
bool copy_flush(copy_t *copy)
{
    struct pollfd ready = {.fd = copy->fd, .events = POLLOUT};
    struct iovec part = {copy->frame, copy->len};
    if (copy->len == 0)
        return true;
    if (poll(&ready, 1, 0) <= 0)
        return false;
    ssize_t n = pwritev2(copy->fd, &part, 1, -1, RWF_NOWAIT);
    if (n < 0 && errno == EAGAIN)
        return false;
    if (n < 0 && (errno == EOPNOTSUPP || errno == ENOSYS || errno == ESPIPE || errno == EINVAL))
        (void)!write(copy->fd, copy->frame, copy->len);
    copy->len = 0; /* written, or nobody reads any more */
    return true;
}

void copy_put(copy_t *copy, copy_stream_t stream, const char *bytes, size_t len)
{
    const fanmap_copied_t head = {(uint32_t)len, (uint32_t)stream, copy->index, copy->attempt, 0};
    if (copy->fd < 0)
        return;
    memcpy(copy->frame, &head, sizeof head);
    if (len > 0)
        memcpy(copy->frame + sizeof head, bytes, len);
    copy->len = sizeof head + len;
    copy->has_ended = stream == COPY_END;
    (void)copy_flush(copy);
}
