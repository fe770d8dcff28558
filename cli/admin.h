/* What the subcommands that only look have in common. */
#ifndef CLI_ADMIN_H
#define CLI_ADMIN_H

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/cli.h"
#include "views/views.h"

enum { ADMIN_TIMEOUT_MS = 15000, TIME_TEXT_MAX = 32 };

/* Connects, and creates no topic by looking at it. EXIT_ALL_WELL, or another after a complaint. */
int admin_open(arguments_t *arguments, fanmap_t **ret);
/* The exit status that belongs to the answer `r`, after a complaint if it is an error. */
int admin_close(fanmap_t *f, int r, const fanmap_error_t *err);
/* A line of stdout; frees it. */
void print_view(buf_t *line);
/* In local time. */
void print_time(char *ret, size_t cap, int64_t unix_ms);

#endif
