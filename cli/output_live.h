/* The half of the output that comes while commands run. */
#ifndef CLI_OUTPUT_LIVE_H
#define CLI_OUTPUT_LIVE_H

#include "cli/output.h"

/* EXIT_ALL_WELL, or EXIT_USAGE after a complaint. */
int output_open_live(output_t *output, const arguments_t *arguments);

#endif
