/* The metadata of an offset commit: what a new owner of an items partition must know beyond the committed prefix.
 * msgpack, then base64, at most COMMIT_BYTES_MAX characters (the broker's limit is 4096). What does not fit of the
 * finished set is left out: those items may run again and the list drops the duplicate. Names are never left out. */
#ifndef SCHEMAS_COMMIT_H
#define SCHEMAS_COMMIT_H

#include "base/buf.h"

enum { COMMIT_VERSION = 1, COMMIT_BYTES_MAX = 4000, COMMIT_MEMBER_MAX = 128, COMMIT_NAMES_MAX = 256 };

typedef struct {
    int64_t offset;
    uint32_t member; /* index into members: who runs it */
} commit_name_t;

typedef struct {
    int64_t offset;
    uint32_t attempts, charges; /* used so far; at least one is above 0 */
} commit_count_t;

typedef struct {
    int64_t from, to; /* [from, to) */
} commit_range_t;

typedef struct {
    bool clean;      /* a closing commit: nothing runs here but what is named */
    int64_t mark;    /* items below it start only after a commit that names them; -1: none */
    int64_t horizon; /* items from it on start only after a later commit; below the prefix: not said */
    uint32_t log;    /* drawn when a partition is begun: one of another number is not the same log. 0: not said */
    int64_t witness,
        witness_ms; /* the first record that was read of it, and when it was appended; 0: none was, -1: not said */
    const char *const *members; /* group member ids, NUL-terminated */
    uint32_t members_n;
    const commit_name_t *names; /* what runs, ascending */
    uint32_t names_n;
    const commit_count_t *counts; /* ascending */
    uint32_t counts_n;
    const commit_range_t *done; /* finished beyond the prefix, ascending, disjoint */
    uint32_t done_n;
    uint32_t bytes_max; /* when encoding: a smaller bound than COMMIT_BYTES_MAX; 0: that */
} commit_meta_t;

/* Encodes relative to `prefix` (the committed offset). Appends base64 text without a NUL. Leaves out done ranges, then
 * counts, from the far end, until it fits. Returns false if the names alone do not fit: then nothing is appended. */
bool commit_encode(buf_t *b, const commit_meta_t *meta, int64_t prefix, uint32_t *ret_done_left_out);

/* A decoded commit owns its arrays. */
typedef struct {
    commit_meta_t meta;
    void *arena;
} commit_decoded_t;
/* Returns false if it is unreadable (another program's commit, a later version): such a commit counts as not clean,
 * with nothing known. */
bool commit_decode(const char *text, size_t len, int64_t prefix, commit_decoded_t *ret);
void commit_decoded_free(commit_decoded_t *decoded);

#endif
