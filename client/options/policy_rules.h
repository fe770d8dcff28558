/* Policies that have a small language of their own: --halt, --final-exit, --bind. Checked when they are set, read again
 * when a map begins. Failure: FANMAP_EUSAGE; the caller puts the option's name before the message. */
#ifndef CLIENT_OPTIONS_POLICY_RULES_H
#define CLIENT_OPTIONS_POLICY_RULES_H

#include "client/options/options.h"
#include "schemas/spec.h"

/* never, or now|soon,fail|success|done=N or N%. */
int halt_parse(const char *text, halt_t *ret, fanmap_error_t *err);
/* Statuses and ranges of them, N or N-M, comma-separated: at most FINAL_EXITS_MAX, each 1 to 255. Sets spec's
 * final_exits. */
int exits_parse(const char *text, spec_t *ret, fanmap_error_t *err);
/* NAME=JSON. Appends the name and the value to `b`, as an entry of a msgpack map. */
int bind_parse(const char *text, buf_t *b, fanmap_error_t *err);
/* Every "bind" of the options as one msgpack map; nothing when there is none. */
int binds_encode(const fanmap_options_t *options, buf_t *b, fanmap_error_t *err);

#endif
