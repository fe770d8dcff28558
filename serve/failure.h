/* The library's errors as HTTP says them, with the words of the command line. */
#ifndef SERVE_FAILURE_H
#define SERVE_FAILURE_H

#include "fanmap/fanmap.h"
#include "serve/connection.h"

/* "no_job", "conflict", "unreachable", ... */
const char *failure_word(int code);
void reply_failure(connection_t *c, const fanmap_error_t *err);
/* Of lines that have begun: a last one, {"$end":{"code":"lost","detail":"..."}}, and the body is broken off behind it. */
void reply_break(connection_t *c, const fanmap_error_t *err);
/* {"NAME":"lost","detail":"..."} */
void failure_put(buf_t *out, const char *name, const fanmap_error_t *err);

#endif
