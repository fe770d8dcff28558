/* The input side of a session. */
#ifndef CLI_FEED_H
#define CLI_FEED_H

#include "cli/session.h"

/* Pushes what there is. True: something moved. */
bool feed_turn(session_t *session);
/* It ran before, and its command was the same. */
bool feed_is_done(session_t *session, const item_t *item);
/* Reads what poll found ready, of what zip_poll filled in. */
void feed_read(session_t *session, const struct pollfd *fds, int n);

#endif
