/* CSV: cells between separators; a cell in quotes may hold separators, newlines, and "" for a quote. Lenient, as readers
 * of spreadsheets are: a quote inside of a cell without quotes is itself. Pure. */
#ifndef CLI_CSV_H
#define CLI_CSV_H

#include <stddef.h>

typedef enum { CSV_BEGIN, CSV_PLAIN, CSV_QUOTED, CSV_CLOSED } csv_state_t;

/* The newline that ends a record, or NULL: it is not here, and the search goes on with `state`. */
const char *csv_end(const char *bytes, size_t len, char separator, csv_state_t *state);
/* Writes the cell that begins at `at` to `ret` (room for all of it) and its length to `ret_len`; returns where the next
 * one begins, or NULL behind the last. */
const char *csv_cell(const char *at, const char *end, char separator, char *ret, size_t *ret_len);

#endif
