/* The library's limits of items, values and of how many may be under way, for items that are larger than a line. Those that
 * somebody set stay. */
#ifndef CLI_LIMITS_H
#define CLI_LIMITS_H

#include "cli/cli.h"

/* EXIT_ALL_WELL, or EXIT_USAGE after a complaint. */
int limits_of_blocks(arguments_t *arguments);
int limits_of_bundles(arguments_t *arguments);

#endif
