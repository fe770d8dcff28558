/* Which failures are the same: their kind, type, and message without what differs from item to item. */
#ifndef SERVE_SUMMARY_TEXT_H
#define SERVE_SUMMARY_TEXT_H

#include <stddef.h>

#include "fanmap/fanmap.h"

enum { SUMMARY_MESSAGE_MAX = 240 };

/* Cut at a whole character. */
void summary_copy(char *ret, size_t cap, const char *text);
/* Numbers become N, what stands in quotes becomes ..., words of eight and more hexadecimal digits become H. */
void summary_normalise(char *ret, size_t cap, const char *message);
/* What is the same for failures of one group; summary_message_of gives the message part of it back. */
void summary_key(char *ret, size_t cap, const fanmap_outcome_t *outcome);
const char *summary_message_of(const char *key);

#endif
