/* Whether a topic that others made takes records now: for whoever writes to it, and for show. */
#ifndef CLIENT_ADMIN_HELD_TOPIC_H
#define CLIENT_ADMIN_HELD_TOPIC_H

#include "client/admin/query.h"

/* What keeps the topic from taking records, of all topics that a survey found. False: nothing is known to. */
bool held_topic_why(char *ret, size_t cap, const char *name, const bus_topic_state_t *topics, size_t n);
/* The same, asked now. What cannot be asked is not known, and no error of the query. */
bool held_topic_ask(query_t *query, const char *name, char *ret, size_t cap);
/* Of the log of a stream, which is to keep outcomes until they are handed out: it does not, as somebody changed its settings. Asked
 * now, as above. */
bool held_topic_forgets(query_t *query, const char *name, char *ret, size_t cap);

#endif
