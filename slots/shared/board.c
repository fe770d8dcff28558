/* The word of a board and its changes, each one compare-and-swap: see the story in board.h. Nothing here waits. */
#include "slots/shared/board.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define READY_SHIFT 32
#define READY_ONE   (UINT64_C(1) << READY_SHIFT)
#define READY_MASK  (UINT64_C(0xffff) << READY_SHIFT)
#define TURN_ONE    (UINT64_C(1) << 48)
#define TURN_MASK   (UINT64_C(0x1fff) << 48)
#define HELD        (UINT64_C(1) << 61)
#define RUNNING     (UINT64_C(1) << 62)
#define CLOSED      (UINT64_C(1) << 63)

static uint32_t word_next(uint64_t word)
{
    return (uint32_t)word;
}

board_t *board_map(int fd)
{
    void *at = mmap(NULL, sizeof(board_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return at == MAP_FAILED ? NULL : at;
}

board_t *board_create(uint32_t first_n, int *ret_fd)
{
    int fd = memfd_create("fanmap-board", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return NULL;
    bool is_sized =
        ftruncate(fd, sizeof(board_t)) == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0;
    board_t *b = is_sized ? board_map(fd) : NULL;
    if (!b) {
        close(fd);
        return NULL;
    }
    atomic_store(&b->word, first_n);
    atomic_store(&b->lapse_at_ms, INT64_MAX);
    *ret_fd = fd;
    return b;
}

void board_unmap(board_t *b)
{
    if (b)
        munmap(b, sizeof *b);
}

bool board_grant(board_t *b, uint32_t first, uint32_t count)
{
    uint64_t word = atomic_load(&b->word), wanted;
    do {
        if (word & CLOSED)
            return false;
        if ((word & READY_MASK) == 0)
            wanted = (word & (RUNNING | HELD | TURN_MASK)) | first;
        else
            wanted = word;
        wanted += READY_ONE * count;
    } while (!atomic_compare_exchange_weak(&b->word, &word, wanted));
    return true;
}

uint32_t board_take_back(board_t *b)
{
    return word_next(atomic_fetch_and(&b->word, ~(READY_MASK | HELD)));
}

bool board_was_claimed(const board_t *b, uint32_t n)
{
    return (int32_t)(word_next(atomic_load(&b->word)) - n) > 0;
}

bool board_close_run(board_t *b, uint32_t n)
{
    uint64_t word = atomic_load(&b->word);
    for (;;) {
        if ((word & CLOSED) || !(word & RUNNING) || atomic_load(&b->run_n) != n)
            return false;
        if (atomic_compare_exchange_weak(&b->word, &word, word | CLOSED))
            return true;
    }
}

void board_close(board_t *b)
{
    atomic_fetch_or(&b->word, CLOSED);
}

bool board_is_closed(const board_t *b)
{
    return (atomic_load(&b->word) & CLOSED) != 0;
}

bool board_running(const board_t *b, uint32_t *ret_n, int64_t *ret_started_ms)
{
    uint64_t word = atomic_load(&b->word), again;
    for (;; word = again) {
        if (!(word & RUNNING))
            return false;
        uint32_t n = atomic_load(&b->run_n);
        int64_t started_ms = atomic_load(&b->started_ms);
        again = atomic_load(&b->word);
        if ((again & RUNNING) && word_next(again) == word_next(word) && (again & TURN_MASK) == (word & TURN_MASK)) {
            *ret_n = n;
            *ret_started_ms = started_ms;
            return true;
        }
    }
}

bool board_is_loaded(const board_t *b)
{
    return (atomic_load(&b->word) & (RUNNING | READY_MASK)) != 0;
}

static void describe_run(board_t *b, uint32_t n, uint64_t index, uint32_t attempt, int64_t now_ms)
{
    atomic_store_explicit(&b->run_n, n, memory_order_relaxed);
    atomic_store_explicit(&b->attempt, attempt, memory_order_relaxed);
    atomic_store_explicit(&b->index, index, memory_order_release); /* behind what is in the pipe */
    atomic_store_explicit(&b->started_ms, now_ms, memory_order_relaxed);
}

static board_claim_t claim(board_t *b, uint32_t n, uint64_t and_flags)
{
    uint64_t word = atomic_load(&b->word), wanted;
    do {
        if (word & CLOSED)
            return BOARD_CLOSED;
        if (word_next(word) != n || (word & READY_MASK) == 0 || (word & HELD))
            return BOARD_TAKEN_BACK;
        wanted = ((word - READY_ONE) & ~(uint64_t)UINT32_MAX) | (uint32_t)(n + 1) | and_flags;
    } while (!atomic_compare_exchange_weak(&b->word, &word, wanted));
    return BOARD_CLAIMED;
}

board_claim_t board_claim(board_t *b, uint32_t n, uint64_t index, uint32_t attempt, int64_t now_ms)
{
    describe_run(b, n, index, attempt, now_ms);
    return claim(b, n, RUNNING);
}

board_claim_t board_claim_ahead(board_t *b, uint32_t n)
{
    return claim(b, n, 0);
}

bool board_go_on(board_t *b, uint32_t n, uint64_t index, uint32_t attempt, int64_t now_ms)
{
    uint64_t word = atomic_load(&b->word), wanted;
    describe_run(b, n, index, attempt, now_ms);
    do {
        if (word & CLOSED)
            return false;
        wanted = (word & ~TURN_MASK) | ((word + TURN_ONE) & TURN_MASK) | RUNNING;
    } while (!atomic_compare_exchange_weak(&b->word, &word, wanted));
    return true;
}

bool board_give_back(board_t *b, uint32_t n, uint32_t *ret_to)
{
    uint64_t word = atomic_load(&b->word), wanted;
    do {
        if (word & CLOSED)
            return false;
        wanted = (word & ~READY_MASK & ~(uint64_t)UINT32_MAX) | n;
    } while (!atomic_compare_exchange_weak(&b->word, &word, wanted));
    *ret_to = word_next(word) + (uint32_t)((word & READY_MASK) >> READY_SHIFT);
    return true;
}

bool board_finish(board_t *b, bool is_error)
{
    uint64_t held = is_error && atomic_load(&b->holds_on_error) ? HELD : 0;
    uint64_t word = atomic_load(&b->word);
    do {
        if (word & CLOSED)
            return false;
    } while (!atomic_compare_exchange_weak(&b->word, &word, (word & ~RUNNING) | held));
    return true;
}

bool board_unclaim(board_t *b)
{
    uint64_t word = atomic_load(&b->word), wanted;
    do {
        if ((word & CLOSED) || !(word & RUNNING))
            return false;
        wanted = (word & ~RUNNING & ~(uint64_t)UINT32_MAX) | CLOSED | atomic_load(&b->run_n);
    } while (!atomic_compare_exchange_weak(&b->word, &word, wanted));
    return true;
}

void board_tail_add(board_t *b, const char *bytes, size_t len)
{
    size_t have = atomic_load(&b->tail_len);
    have = have > BOARD_TAIL_BYTES ? BOARD_TAIL_BYTES : have;
    if (len >= BOARD_TAIL_BYTES) {
        memcpy(b->tail, bytes + len - BOARD_TAIL_BYTES, BOARD_TAIL_BYTES);
        have = BOARD_TAIL_BYTES;
    } else {
        size_t keep = have + len > BOARD_TAIL_BYTES ? BOARD_TAIL_BYTES - len : have;
        memmove(b->tail, b->tail + (have - keep), keep);
        memcpy(b->tail + keep, bytes, len);
        have = keep + len;
    }
    atomic_store(&b->tail_len, (uint32_t)have);
}
