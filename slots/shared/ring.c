/* The ring's two positions and its bell. The writer sleeps on a futex on the board when there is no room; the reader
 * wakes it. */
#include "slots/shared/ring.h"

#include <linux/futex.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t ring_write(board_t *b, const void *bytes, size_t len)
{
    uint64_t head = atomic_load_explicit(&b->ring_head, memory_order_relaxed);
    size_t used = (size_t)(head - atomic_load_explicit(&b->ring_read, memory_order_acquire));
    size_t n = min_size(len, BOARD_RING_BYTES - min_size(used, BOARD_RING_BYTES));
    size_t at = (size_t)(head % BOARD_RING_BYTES), first = min_size(n, BOARD_RING_BYTES - at);
    memcpy(b->ring + at, bytes, first);
    memcpy(b->ring, (const uint8_t *)bytes + first, n - first);
    atomic_store_explicit(&b->ring_head, head + n, memory_order_release);
    return n;
}

static bool ring_is_full(board_t *b)
{
    return atomic_load(&b->ring_head) - atomic_load(&b->ring_read) >= BOARD_RING_BYTES;
}

void ring_wait(board_t *b, unsigned wait_ms)
{
    struct timespec wait = {wait_ms / 1000, (long)(wait_ms % 1000) * 1000000};
    uint32_t turns = atomic_load(&b->ring_turns);
    atomic_store(&b->ring_waits, 1);
    if (ring_is_full(b))
        syscall(SYS_futex, &b->ring_turns, FUTEX_WAIT, turns, &wait, NULL, 0);
    atomic_store(&b->ring_waits, 0);
}

static void wake_writer(board_t *b)
{
    if (atomic_load(&b->ring_waits) == 0)
        return;
    atomic_fetch_add(&b->ring_turns, 1);
    syscall(SYS_futex, &b->ring_turns, FUTEX_WAKE, 1, NULL, NULL, 0);
}

long ring_read(board_t *b, buf_t *into)
{
    uint64_t read = atomic_load_explicit(&b->ring_read, memory_order_relaxed);
    uint64_t used = atomic_load_explicit(&b->ring_head, memory_order_acquire) - read;
    if (used > BOARD_RING_BYTES)
        return -1;
    if (used == 0)
        return 0;
    size_t n = (size_t)used, at = (size_t)(read % BOARD_RING_BYTES), first = min_size(n, BOARD_RING_BYTES - at);
    buf_append(into, b->ring + at, first);
    buf_append(into, b->ring, n - first);
    if (into->failed)
        return -1;
    atomic_store(&b->ring_read, read + n);
    wake_writer(b);
    return (long)n;
}

bool outlet_pump(outlet_t *o)
{
    size_t n = o->rest.len > 0 ? ring_write(o->board, o->rest.data, o->rest.len) : 0;
    buf_consume(&o->rest, n);
    if (n > 0 && o->unrung == 0)
        o->unrung = 1; /* what was just written has not been announced */
    return o->rest.len == 0;
}

void outlet_put(outlet_t *o, const void *frame, size_t len, int64_t now_ns)
{
    size_t written = outlet_pump(o) ? ring_write(o->board, frame, len) : 0;
    buf_append(&o->rest, (const uint8_t *)frame + written, len - written);
    if (o->unrung++ == 0)
        o->first_unrung_ns = now_ns;
    o->unrung_bytes += len;
}

void outlet_ring_if_due(outlet_t *o, int64_t now_ns)
{
    if (o->unrung >= OUTLET_RESULTS_MAX || o->unrung_bytes >= OUTLET_BYTES_MAX || o->rest.len > 0 ||
        (o->unrung > 0 && now_ns - o->first_unrung_ns >= OUTLET_AGE_NS))
        outlet_ring(o);
}

void outlet_ring(outlet_t *o)
{
    if (o->unrung == 0 && o->rest.len == 0)
        return;
    o->unrung = 0;
    o->unrung_bytes = 0;
    /* A full socket means that the worker has bells to hear already. */
    (void)!send(o->bell_fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}
