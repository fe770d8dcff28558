/* The text of a shell in which placeholders stand: each becomes a parameter of the shell, quoted as its place wants it,
 * so that no item is ever part of the text. Pure.
 *
 *   echo {} > {.}.txt          sh -c -- 'echo "${1}" > "${2}".txt' sh {} {.}
 *   echo "<{}>" '{#}'          sh -c -- 'echo "<${1}>" ''"${2}"''' sh {} {#}
 *   pack {#} {+}               sh -c -- 'fanmap_1=${1}; shift 1; pack "${fanmap_1}" "$@"' sh {#} {+}
 *   echo "$1" or "$@"          the same text, and the item or its parts as parameters
 *   wc -l                      the same text; the item comes on stdin
 */
#ifndef SLOTS_CATALOGUE_SHELL_TEXT_H
#define SLOTS_CATALOGUE_SHELL_TEXT_H

#include "base/buf.h"
#include "base/error.h"

enum { SHELL_SCRIPT_WORD = 3 }; /* which of the words is the text */

/* The words of the command, to be freed with words_free. FANMAP_EUSAGE: a placeholder stands where no parameter can
 * (in a here-document), or {+} beside {+.}. */
int shell_text_words(const char *text, const char *replace, char ***ret_words, fanmap_error_t *err);
/* The text as it is shown with an item put in: where a placeholder stands there is a NUL, the quote that is open there
 * (a space: none) and the number of its word. The words are those of shell_text_words; SHELL_SCRIPT_WORD is no use. */
enum { SHELL_MARK_BYTES = 3 };
typedef struct {
    buf_t text;
    char **words;
    bool uses_parameters; /* it has $1 and its like of its own */
} shell_shown_t;
/* As shell_text_words; free text and words. */
int shell_text_show(const char *text, const char *replace, shell_shown_t *ret, fanmap_error_t *err);
/* Returns true where a placeholder stands in the text of a shell that was written as such, so that an item would be run as code. */
bool shell_text_has_placeholder(const char *text, const char *replace);

#endif
