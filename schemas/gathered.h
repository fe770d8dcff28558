/* The metadata of the aggregator's offset commits: which jobs of a results partition have their file. msgpack, then
 * base64, at most GATHERED_BYTES_MAX characters (the broker's limit is 4096).
 *
 * The committed offset ("prefix") is where the oldest job without a file begins. A job that begins between prefix and
 * `until` has its file, unless it is named in `open`; of later ones nothing is known. What does not fit is left out by
 * lowering `until`. */
#ifndef SCHEMAS_GATHERED_H
#define SCHEMAS_GATHERED_H

#include "base/buf.h"

enum { GATHERED_VERSION = 1, GATHERED_BYTES_MAX = 4000, GATHERED_OPEN_MAX = GATHERED_BYTES_MAX / 4 * 3 };

typedef struct {
    int64_t until;
    uint32_t open_n;
    int64_t open[GATHERED_OPEN_MAX]; /* offsets of `start`, ascending */
} gathered_t;

/* Encodes relative to `prefix`: appends base64 text without a NUL. */
void gathered_encode(buf_t *b, int64_t prefix, const gathered_t *gathered);
/* Returns false if it is unreadable (empty, another program's, a later version): nothing is known beyond the prefix. */
bool gathered_decode(const char *text, size_t len, int64_t prefix, gathered_t *ret);

#endif
