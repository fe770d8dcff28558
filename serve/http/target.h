/* The target of a request taken apart: /v1/jobs/ID/cancel?timeout=5s&bind=a%3D1. */
#ifndef SERVE_HTTP_TARGET_H
#define SERVE_HTTP_TARGET_H

#include "serve/http/head.h"

/* Percent-decodes `text` into `ret` with a NUL. plus: '+' is a blank, as in queries. False: a bad escape, a NUL, or it
 * does not fit. */
bool http_decode(http_text_t text, bool plus, char *ret, size_t cap);

/* The next NAME=VALUE of a query, still encoded; a NAME alone has an empty value. False: there is none. */
bool http_query_next(http_text_t *query, http_text_t *ret_name, http_text_t *ret_value);
/* The first value of NAME, decoded. False: not there, or not to be decoded, or it does not fit. */
bool http_query_get(http_text_t query, const char *name, char *ret, size_t cap);

/* One to NUMBER_DIGITS decimal digits and nothing else, at most `max`. */
enum { NUMBER_DIGITS = 20 };
bool http_number(const char *text, uint64_t max, uint64_t *ret);
/* True: *ret is the value of NAME, or as it was where the query has none. */
bool http_query_number(http_text_t query, const char *name, uint64_t max, uint64_t *ret);

#endif
