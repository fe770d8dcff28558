/* What --colsep, --csv and --trim make of an item: its columns. Pure, but for cells_open. */
#ifndef CLI_CELLS_H
#define CLI_CELLS_H

#include <regex.h>

#include "base/buf.h"
#include "cli/cli.h"
#include "cli/part_list.h"

typedef struct {
    bool is_split, is_csv, trims_left, trims_right;
    char separator; /* NUL: what the expression finds */
    regex_t expression;
    bool has_expression;
    buf_t text; /* of cells that stood in quotes */
} cells_t;

/* EXIT_ALL_WELL, or EXIT_USAGE after a complaint. cells_close in every case. */
int cells_open(cells_t *cells, const arguments_t *arguments);
void cells_close(cells_t *cells);
/* They make something else of an item. */
bool cells_change(const cells_t *cells);
/* Sets `ret` to the cells of the parts, one after the other, borrowed from these and from `cells` until the next call.
 * False: no memory. */
bool cells_split(cells_t *cells, const fanmap_part_t *parts, size_t n, part_list_t *ret);
/* A POSIX expression of what the user wrote: \t, \n and \d are what they are to perl. */
void cells_expression(const char *text, buf_t *ret);
/* One byte where that is all there is: ',', '\t', '|'; else NUL. */
char cells_one_byte(const char *text);

#endif
