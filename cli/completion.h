/* Shell completion from the tables of commands and options. */
#ifndef CLI_COMPLETION_H
#define CLI_COMPLETION_H

#include "cli/cli.h"

/* What stands behind an option. */
typedef enum { COMPLETE_SWITCH, COMPLETE_WORDS, COMPLETE_FILE, COMPLETE_DIR, COMPLETE_OTHER } completion_kind_t;

completion_kind_t completion_kind(const fanmap_option_info_t *info);
/* The words of "a|b|c", with blanks between them. */
void completion_put_words(const char *words);
void print_zsh(void);
void print_fish(void);

#endif
