/* Which failures are the same: their kind, type, and message without what differs from item to item. The name of a group is
 * the same for every reader of a log, so that it can be said to a command line. */
#ifndef SCHEMAS_FAILURE_GROUP_H
#define SCHEMAS_FAILURE_GROUP_H

#include <stdbool.h>
#include <stddef.h>

#include "fanmap/fanmap.h"

enum { FAILURE_MESSAGE_MAX = 240, FAILURE_TYPE_MAX = 48, FAILURE_KEY_MAX = 304, FAILURE_GROUP_LEN = 12 };

/* Cut at a whole character. */
void failure_copy(char *ret, size_t cap, const char *text);
/* Numbers become N, what stands in quotes becomes ..., words of eight and more hexadecimal digits become H. */
void failure_normalise(char *ret, size_t cap, const char *message);
/* What is the same for failures of one group; failure_message_of gives the message part of it back. The bytes behind its NUL are 0. */
void failure_key(char ret[FAILURE_KEY_MAX], fanmap_kind_t kind, const char *type, const char *message);
const char *failure_message_of(const char *key);
/* The name of a key's group: FAILURE_GROUP_LEN hexadecimal digits of its XXH64 (seed 0). */
void failure_group(char ret[FAILURE_GROUP_LEN + 1], const char *key);
bool failure_group_valid(const char *group);

#endif
