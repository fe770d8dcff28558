/* The topic of dead letters, read in batches: for those who list them (dead.c) and those who put them back
 * (dead_replay.c). */
#ifndef CLIENT_ADMIN_DEAD_H
#define CLIENT_ADMIN_DEAD_H

#include "client/admin/query.h"

enum { DEAD_HEADER_MAX = 256 };

/* One letter, copied. */
typedef struct letter letter_t;
struct letter {
    letter_t *prev, *next;
    fanmap_dead_t told;
    char topic[DEAD_HEADER_MAX], reason[DEAD_HEADER_MAX], stage[DEAD_HEADER_MAX], job[JOB_ID_MAX + 1];
    uint8_t bytes[]; /* key, then value */
};

typedef struct {
    query_t query;
    const fanmap_options_t *filter;
    bus_topic_t *topic;
    int64_t next, end; /* what is left to read: dead_has_more */
    letter_t *first;
    size_t n, bytes;
    bool is_out_of_memory;
} dead_t;

/* `dead` is zero but for its filter. The end is where the topic ends now. */
void dead_begin(dead_t *dead, fanmap_t *f, int timeout_ms, fanmap_error_t *err);
/* False also after a failure. */
bool dead_has_more(const dead_t *dead);
/* The next letters that the filter wants, from `first` on; those of the batch before are freed. */
void dead_read_batch(dead_t *dead);
/* Frees the letters. */
void dead_end(dead_t *dead);

#endif
