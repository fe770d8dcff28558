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
/* A command that asks one question: connects, asks, and returns the exit status. */
typedef int (*admin_question_fn)(fanmap_t *f, arguments_t *arguments, fanmap_error_t *err);
int admin_ask(arguments_t *arguments, admin_question_fn ask);
/* A line of stdout; frees it. */
void print_view(buf_t *line);
/* Defines NAME, which prints what it is given as a line of JSON. */
#define DEFINE_PRINT_JSON(NAME, TYPE, VIEW)                                                                            \
    static void NAME(void *arg, const TYPE *it)                                                                        \
    {                                                                                                                  \
        buf_t line = {0};                                                                                              \
        (void)arg;                                                                                                     \
        VIEW(&line, it);                                                                                               \
        print_view(&line);                                                                                             \
    }
/* In local time. */
void print_time(char *ret, size_t cap, int64_t unix_ms);

#endif
