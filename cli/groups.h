/* The options of a command in groups, as --help and the manual show them. What no group names is for few: it is shown
 * by --help all, and by the help of commands that have no groups. */
#ifndef CLI_GROUPS_H
#define CLI_GROUPS_H

#include "cli/cli.h"

typedef struct {
    const char *name, *title;
    const char *const *options; /* the common ones first; NULL-terminated */
} option_group_t;

/* The last one has no name: what no other names. Ends with a title of NULL. */
extern const option_group_t option_groups[];

/* The group that names the option, or the last one. */
const option_group_t *group_of(const fanmap_option_info_t *info);
/* Calls `show` for each option of `command` in the group, in its order. Returns how many there were. */
size_t group_each(const option_group_t *group, const command_t *command, void (*show)(const fanmap_option_info_t *));

#endif
