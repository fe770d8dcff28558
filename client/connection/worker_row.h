/* A worker's row in Redis (tokens/presence.h), read. */
#ifndef CLIENT_CONNECTION_WORKER_ROW_H
#define CLIENT_CONNECTION_WORKER_ROW_H

#include "fanmap/admin.h"

typedef struct {
    fanmap_worker_info_t info;
    const char *dead;    /* tasks that do not start */
    const char *unfed;   /* tasks of which it gets no items: it has no partition of their topics */
    const char *waiting; /* of each job (some, where there are many): JOB/QUEUED/DELAYED/RUNNING/RETRY_MS/PAUSED,... */
    const char *heads;   /* records that lanes of streams stand at: JOB/PARTITION/OFFSET/ATTEMPT/STATE/MS,... */
} worker_row_t;

/* Cuts `text` up, which *ret borrows; what the row does not say is "" or 0. */
void worker_row_read(char *text, worker_row_t *ret);
/* The list `words`, separated by commas, holds this one. */
bool worker_row_has(const char *words, const char *word);
/* What an entry of the list that begins with "JOB/" says behind that; NULL: there is none. Ends with a comma, or the
 * list. */
const char *worker_row_of_job(const char *entries, const char *job);

#endif
