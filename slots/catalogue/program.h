/* Programs that a command line may name, by their names. Pure. */
#ifndef SLOTS_CATALOGUE_PROGRAM_H
#define SLOTS_CATALOGUE_PROGRAM_H

#include <stdbool.h>
#include <stdint.h>

/* Whether the last part of the program's path is one of these, up to a NULL. */
bool program_is_one_of(const char *program, const char *const *names);
/* Which word of a command line is the text of a shell (sh -c TEXT, also behind env and the like); 0: none. */
uint32_t program_shell_text_at(const char *const *argv);

#endif
