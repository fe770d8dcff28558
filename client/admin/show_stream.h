/* What fanmap_show says of a stream: of each partition how far its workers and its gatherers are, from Kafka's groups. */
#ifndef CLIENT_ADMIN_SHOW_STREAM_H
#define CLIENT_ADMIN_SHOW_STREAM_H

#include "client/admin/query.h"
#include "client/joblog/why.h"

/* Fills the last fields of *ret, and `lag`. The lanes are the caller's to free. What Kafka does not say is no error. ret_why: what
 * keeps workers from its source for good, or "". */
void show_stream(query_t *query, const spec_t *spec, int64_t now_ms, fanmap_show_t *ret, char ret_why[WHY_TEXT_MAX]);

#endif
