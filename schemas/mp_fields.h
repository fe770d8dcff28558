/* Structs whose members are the fields of a message, listed in a table in the order in which they stand there. One table
 * serves writing and reading, so that the two cannot differ. Hot messages are written and read by hand. */
#ifndef SCHEMAS_MP_FIELDS_H
#define SCHEMAS_MP_FIELDS_H

#include <stddef.h>

#include "schemas/mp.h"

typedef enum {
    MP_FIELD_U32, /* also an enumeration */
    MP_FIELD_U64,
    MP_FIELD_I32,
    MP_FIELD_I64,
    MP_FIELD_BOOL,
    MP_FIELD_TEXT,   /* an array of char with a NUL */
    MP_FIELD_STR,    /* a const char * and a length, borrowed from the message when read */
    MP_FIELD_BIN,    /* the same as msgpack's bin */
    MP_FIELD_MAP,    /* a const uint8_t * and a length, one whole map, borrowed when read; without length it is nil */
    MP_FIELD_CUSTOM, /* whatever its two functions make of it, as one object */
} mp_field_type_t;

typedef struct {
    mp_field_type_t type;
    size_t at;                                 /* where the member is in the struct */
    size_t size;                               /* of a text's array; where the length of a str or bin is */
    void (*put)(buf_t *b, const void *member); /* of MP_FIELD_CUSTOM */
    void (*read)(mp_reader_t *r, void *member);
} mp_field_t;

#define MP_FIELD(kind, at, size, put, read)                                                                            \
    {                                                                                                                  \
        MP_FIELD_##kind, at, size, put, read                                                                           \
    }
#define MP_U32(struct, member)               MP_FIELD(U32, offsetof(struct, member), 0, NULL, NULL)
#define MP_U64(struct, member)               MP_FIELD(U64, offsetof(struct, member), 0, NULL, NULL)
#define MP_I32(struct, member)               MP_FIELD(I32, offsetof(struct, member), 0, NULL, NULL)
#define MP_I64(struct, member)               MP_FIELD(I64, offsetof(struct, member), 0, NULL, NULL)
#define MP_FLAG(struct, member)              MP_FIELD(BOOL, offsetof(struct, member), 0, NULL, NULL)
#define MP_TEXT(struct, member)              MP_FIELD(TEXT, offsetof(struct, member), sizeof(((struct *)0)->member), NULL, NULL)
#define MP_STR_OF(struct, member, len)       MP_FIELD(STR, offsetof(struct, member), offsetof(struct, len), NULL, NULL)
#define MP_BIN_OF(struct, member, len)       MP_FIELD(BIN, offsetof(struct, member), offsetof(struct, len), NULL, NULL)
#define MP_MAP_OF(struct, member, len)       MP_FIELD(MAP, offsetof(struct, member), offsetof(struct, len), NULL, NULL)
#define MP_CUSTOM(struct, member, put, read) MP_FIELD(CUSTOM, offsetof(struct, member), 0, put, read)
/* A field that takes more than one member: its functions get the whole struct. */
#define MP_WHOLE(put, read) MP_FIELD(CUSTOM, 0, 0, put, read)
/* A table of `n` fields. */
#define MP_TABLE(name, n, ...) static const mp_field_t name[n] = {__VA_ARGS__}

/* Writes, or reads, the first `n` fields of the table, without the head of the array that they stand in. */
void mp_put_fields(buf_t *b, const mp_field_t *fields, size_t n, const void *from);
void mp_read_fields(mp_reader_t *r, const mp_field_t *fields, size_t n, void *to);

#endif
