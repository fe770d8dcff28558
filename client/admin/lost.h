/* Items that Kafka lost before they had an outcome: their topic was deleted and made anew, or retention took them. Nobody
 * can run them any more, and the log of their job says so, by the outcome `lost`. */
#ifndef CLIENT_ADMIN_LOST_H
#define CLIENT_ADMIN_LOST_H

#include "client/joblog/missing.h"
#include "fanmap/admin.h"

/* Zeroed at first, then kept from look to look. */
typedef struct {
    missing_t missing;
    uint64_t told; /* items that the last look wrote as lost */
} lost_look_t;

/* One look at every job of the queue that has no end. What it finds missing is written when the look before found the
 * same, and the job had no outcome more since. *ret_again: a look in some seconds may find more. */
int lost_look(fanmap_t *f, const char *queue, int timeout_ms, lost_look_t *look, bool *ret_again, fanmap_error_t *err);

#endif
