/* Options as GNU parallel and xargs know them: what they write in another way than this program, and what they alone have. */
#ifndef CLI_PARALLEL_OPTIONS_H
#define CLI_PARALLEL_OPTIONS_H

#include "cli/cli.h"

/* What they call it, in the words of the table; an empty one asks for nothing that is not so anyway. NULL: it has one name. */
const char *parallel_own_name(const char *name, size_t len);
/* GNU parallel's, that this program does not have: long, or a letter. */
bool parallel_is_left_out(const char *name, size_t len);
/* The value in the way of this program: 10M and 64k, TERM,200,KILL. It may lie in `room`. */
const char *parallel_value(const fanmap_option_info_t *info, const char *value, char *room, size_t cap);
/* --timeout 200%: its digits. */
bool parallel_percentage(const fanmap_option_info_t *info, const char *value, char *digits, size_t cap);

#endif
