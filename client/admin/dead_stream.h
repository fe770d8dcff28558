/* The records that a stream put on its topic of errors, as dead letters: those that were not put back yet, or with the option
 * "all" every one that is there. */
#ifndef CLIENT_ADMIN_DEAD_STREAM_H
#define CLIENT_ADMIN_DEAD_STREAM_H

#include "client/admin/query.h"

/* Tells each letter of the stream that the filter names. */
int dead_stream_list(fanmap_t *f, const fanmap_options_t *filter, int timeout_ms, fanmap_dead_fn fn, void *arg,
                     fanmap_error_t *err);
/* Puts them back on the source, and keeps in the group NS.replay.ID how far it came. */
int dead_stream_replay(fanmap_t *f, const fanmap_options_t *filter, int timeout_ms, fanmap_dead_refused_fn on_refused,
                       void *arg, uint64_t *ret_n, fanmap_error_t *err);

#endif
