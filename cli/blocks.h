/* --pipe: a stream cut into blocks at the ends of records, as large as --block says or with as many records as -N says.
 * A record ends behind one text and before another (--recend, --recstart), of which one may be empty. Pure. */
#ifndef CLI_BLOCKS_H
#define CLI_BLOCKS_H

#include <stdbool.h>
#include <stddef.h>

enum { RECORD_MARK_MAX = 256 };

typedef struct {
    bool is_on;
    size_t block_bytes;
    size_t records_max; /* 0: as many as a block takes */
    size_t unit;        /* so many stay together (-L) */
    char mark[2 * RECORD_MARK_MAX];
    size_t mark_len, end_len; /* the mark is what ends a record and then what begins one */
} block_rules_t;

/* How far the block at hand was looked through; zeroed for the next one. */
typedef struct {
    size_t at, searched, records, cut, len;
} block_scan_t;

/* The length of the block that begins at `bytes`; 0: more must be read, or, at the end, there is none. Once it is known it
 * stays the same. */
size_t block_cut(const block_rules_t *rules, const char *bytes, size_t len, bool is_at_end, block_scan_t *scan);
/* Whether a record that began before `bytes` ends there; *ret: how much of them is certainly of it. */
bool block_skip(const block_rules_t *rules, const char *bytes, size_t len, size_t *ret);
/* A mark as it was typed, with \n, \t, \r, \0 and \\; `ret` has room for all of it. Returns its length. */
size_t block_mark(const char *text, char *ret);

#endif
