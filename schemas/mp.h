/* Reading and writing msgpack.
 *
 * Reading is a cursor over bytes that are not trusted: nothing is allocated, every length is checked against the bytes
 * that are left, and a failed read sets `bad` and makes all later reads return zeroes, so that a decoder checks once at
 * its end. Writing goes through msgpack-c's packer into a buf_t (its `failed` flag is checked once at the end).
 *
 * Why not msgpack-c's unpacker too: it builds a tree, taking memory for as many elements as a header claims before it
 * has seen one of them (five bytes can ask for gigabytes), and recent releases differ in what they refuse. The messages
 * here are flat and read front to back once, so that a cursor is smaller, several times faster and easier to reason
 * about.
 */
#ifndef SCHEMAS_MP_H
#define SCHEMAS_MP_H

#include "base/buf.h"

enum { MP_DEPTH_MAX = 128 }; /* deeper nesting is refused by mp_skip and by mp_check */

typedef struct {
    const uint8_t *at, *end;
    bool bad;
} mp_reader_t;

typedef enum {
    MP_NIL,
    MP_BOOL,
    MP_UINT,
    MP_INT,
    MP_FLOAT,
    MP_STR,
    MP_BIN,
    MP_ARRAY,
    MP_MAP,
    MP_EXT,
    MP_NONE
} mp_type_t;

void mp_reader_init(mp_reader_t *r, const void *bytes, size_t len);
/* The numbers, arrays and objects of one byte, which most are, and short ones that are written, cost no call: mp_inline.h has the functions that are not here. */
/* The type of the next object; MP_INT only for negative numbers; MP_NONE at the end or when bad. */
mp_type_t mp_peek(const mp_reader_t *r);
static inline uint64_t mp_read_uint(mp_reader_t *r);
static inline int64_t mp_read_int(mp_reader_t *r); /* accepts non-negative numbers up to INT64_MAX too */
uint32_t mp_read_u32(mp_reader_t *r);              /* bad where it is larger, as below */
int32_t mp_read_i32(mp_reader_t *r);
/* A number of at least 0 added to `from`, which is what is returned where it is none. */
int64_t mp_read_step(mp_reader_t *r, int64_t from);
double mp_read_float(mp_reader_t *r); /* float 32 or 64 */
static inline bool mp_read_bool(mp_reader_t *r);
void mp_read_nil(mp_reader_t *r);
/* Steps over a nil, if that is what comes next. */
static inline bool mp_read_nil_if(mp_reader_t *r);
/* Borrowed from the input. mp_read_str wants a str (any bytes), mp_read_bin a bin. */
const char *mp_read_str(mp_reader_t *r, size_t *ret_len);
const void *mp_read_bin(mp_reader_t *r, size_t *ret_len);
/* Number of elements (of pairs, for a map); a count that the bytes left cannot hold is bad. */
static inline uint32_t mp_read_array(mp_reader_t *r);
uint32_t mp_read_map(mp_reader_t *r);
/* Steps over one object of any type and returns where it began; *ret_len is its length in bytes. NULL when bad. */
static inline const uint8_t *mp_skip(mp_reader_t *r, size_t *ret_len);
/* Steps over `count` objects: the fields of an array that this version does not know. */
void mp_skip_fields(mp_reader_t *r, uint32_t count);
/* True when nothing was bad and every byte was read. */
static inline bool mp_done(const mp_reader_t *r);
/* The end of an array of `fields`, which is all there is, of which `known` were read: steps over those that this
 * version does not know. False when there were fewer, when anything was bad, or when bytes are left. */
static inline bool mp_end_fields(mp_reader_t *r, uint32_t fields, uint32_t known);
/* Copies a str into a fixed buffer with a NUL; bad when it does not fit or holds a NUL. */
void mp_read_text(mp_reader_t *r, char *ret, size_t cap);
/* True when the bytes are exactly one sound msgpack object no deeper than MP_DEPTH_MAX. */
bool mp_check(const void *bytes, size_t len);

typedef enum { MP_SCAN_WHOLE, MP_SCAN_MORE, MP_SCAN_BROKEN } mp_scan_t;
/* Looks for the end of an object of which only the first `len` bytes are there. *at: how far it was read, which may lie
 * beyond `len`; *objects: how many are still to come, 1 before the first call. BROKEN: the byte at *at is none of
 * msgpack's. Unlike mp_skip it takes any depth, for it keeps nothing of what is open but its number. */
mp_scan_t mp_scan(const uint8_t *bytes, size_t len, uint64_t *at, uint64_t *objects);

void mp_put_nil(buf_t *b);
void mp_put_bool(buf_t *b, bool value);
static inline void mp_put_uint(buf_t *b, uint64_t value);
static inline void mp_put_int(buf_t *b, int64_t value);
void mp_put_float(buf_t *b, double value);
static inline void mp_put_str(buf_t *b, const char *text, size_t len);
/* Only the head: `len` bytes are to follow. */
void mp_put_str_head(buf_t *b, size_t len);
void mp_put_text(buf_t *b, const char *text); /* NUL-terminated */
static inline void mp_put_bin(buf_t *b, const void *bytes, size_t len);
static inline void mp_put_array(buf_t *b, uint32_t count);
void mp_put_map(buf_t *b, uint32_t pairs);

/* For who has reserved room for MP_NUMBER_MAX bytes there: write the number and return where it ends. */
enum { MP_NUMBER_MAX = 9 };
static inline uint8_t *mp_number(uint8_t *at, uint64_t value);
static inline uint8_t *mp_integer(uint8_t *at, int64_t value);

#include "schemas/mp_inline.h"

#endif
