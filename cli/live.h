/* What commands print, while they run: frames out of the pipe that attempts write to, put together to lines for stdout
 * and stderr (--line-buffer), or passed on as they come (--ungroup), or written into files (--results). Embedded. */
#ifndef CLI_LIVE_H
#define CLI_LIVE_H

#include "base/buf.h"

enum { LIVE_STDOUT, LIVE_STDERR, LIVE_STREAMS };

/* One that has begun and not ended. */
typedef struct {
    uint64_t index;
    uint32_t attempt;
    bool is_over;             /* nothing more comes */
    buf_t part[LIVE_STREAMS]; /* of a line */
} live_attempt_t;

/* What came of a stream of item `index`; bytes NULL: that attempt is over. */
typedef void (*live_fn)(void *arg, const live_attempt_t *attempt, int stream, const char *bytes, size_t len);

/* Zeroed, with a function: empty. */
typedef struct {
    bool by_lines; /* as whole lines, but for the last one, and those that are very long */
    live_fn fn;
    void *arg;
    buf_t in;
    live_attempt_t **at;
    size_t n, cap;
} live_t;

/* Takes bytes of the pipe. Pure, but for `fn`. */
void live_take(live_t *live, const void *bytes, size_t len);
/* The item has its outcome: what attempts at it have not said to be over, is. */
void live_end_item(live_t *live, uint64_t index);
void live_free(live_t *live);

#endif
