/* --dry-run: the commands as texts for sh, one a line, and nothing is run. */
#ifndef CLI_DRY_RUN_H
#define CLI_DRY_RUN_H

#include "cli/session.h"

/* The exit status. */
int dry_run(session_t *session);

#endif
