/* The little of Redis that the scripts need: named hashes that can expire. Linear searches: a process holds few jobs,
 * and a job few workers, in this home. No I/O. */
#ifndef TESTS_TOKEN_KEYSPACE_H
#define TESTS_TOKEN_KEYSPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    char *name, *value; /* owned, NUL-terminated */
} keyspace_field_t;

typedef struct {
    char *name;
    int64_t expire_ms; /* INT64_MAX: never */
    keyspace_field_t *fields;
    size_t n, cap;
} keyspace_hash_t;

/* Zeroed is empty. */
typedef struct {
    keyspace_hash_t *hashes;
    size_t n, cap;
} keyspace_t;

/* The hash of this name, or NULL; one whose time has come is removed first. Valid until the next change of the
 * keyspace. */
keyspace_hash_t *keyspace_get(keyspace_t *k, const char *name, int64_t now_ms);
/* The same, made when it is missing. NULL: no memory. */
keyspace_hash_t *keyspace_make(keyspace_t *k, const char *name, int64_t now_ms);
/* True when there was one. */
bool keyspace_del(keyspace_t *k, const char *name, int64_t now_ms);
void keyspace_clear(keyspace_t *k);
/* False: no memory, *to untouched. *to must be empty. */
bool keyspace_copy(const keyspace_t *from, keyspace_t *to);

/* The value, or NULL. Valid until the hash changes. */
const char *keyspace_hget(const keyspace_hash_t *h, const char *field);
/* 1 the field is new, 0 it was there, -1 no memory. */
int keyspace_hset(keyspace_hash_t *h, const char *field, const char *value);
/* True when it was there. A hash without fields is left to the caller to remove. */
bool keyspace_hdel(keyspace_hash_t *h, const char *field);

#endif
