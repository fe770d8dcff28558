/* Items that are never sent, on their way into the job's log: their outcomes gather in packs (pure). */
#ifndef PRODUCER_REFUSED_H
#define PRODUCER_REFUSED_H

#include "schemas/joblog.h"

enum { REFUSED_LINGER_MS = 5, REFUSED_MESSAGE_MAX = 1024, REFUSED_PACK_BYTES = 16 * 1024 };

/* Zeroed is empty. */
typedef struct {
    buf_t body;
    uint32_t n;       /* outcomes in the body */
    uint64_t pack;    /* number of the pack that is being filled */
    int64_t since_ms; /* when the first one came */
} refused_t;

/* A longer message is cut at a character. */
void refused_add(refused_t *refused, uint64_t index, fanmap_kind_t kind, const char *message, size_t len,
                 int64_t now_ms);
/* The same for an error that another map's item ended with: an entry of a pack, with this index in place of its own. */
void refused_carry(refused_t *refused, uint64_t index, const void *entry, size_t len, int64_t now_ms);
/* Nothing more may go into this pack. */
bool refused_full(const refused_t *refused);
/* It is time to send the pack: large enough, or old enough. */
bool refused_due(const refused_t *refused, int64_t now_ms);
/* Appends the pack as a record and begins the next one; returns the number of this one. No memory: record->failed. */
uint64_t refused_flush(refused_t *refused, buf_t *record);
void refused_free(refused_t *refused);

#endif
