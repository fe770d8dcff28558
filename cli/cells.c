#include <string.h>

#include "cli/cells.h"

static int compile(cells_t *cells, const char *text)
{
    buf_t expression = {0};
    char why[200] = "out of memory";
    cells_expression(text, &expression);
    int failed =
        expression.failed ? REG_ESPACE : regcomp(&cells->expression, (const char *)expression.data, REG_EXTENDED);
    if (failed)
        regerror(failed, &cells->expression, why, sizeof why);
    cells->has_expression = !failed;
    buf_free(&expression);
    if (!failed)
        return EXIT_ALL_WELL;
    return fail_with(EXIT_USAGE, "--colsep %s: %s", text, why);
}

int cells_open(cells_t *cells, const arguments_t *arguments)
{
    const char *separator = option_text(arguments, "colsep"), *trim = option_text(arguments, "trim");
    *cells = (cells_t){.is_csv = is_switch_set(arguments, "csv")};
    cells->is_split = separator || cells->is_csv;
    if (!trim)
        trim = cells->is_split && !cells->is_csv ? "lr" : "n";
    cells->trims_left = strchr(trim, 'l') != NULL;
    cells->trims_right = strchr(trim, 'r') != NULL;
    if (!cells->is_split)
        return EXIT_ALL_WELL;
    cells->separator = cells_one_byte(separator ? separator : ",");
    if (!cells->is_csv && !cells->separator)
        return compile(cells, separator);
    if (cells->separator)
        return EXIT_ALL_WELL;
    return fail_with(EXIT_USAGE, "--csv: one byte stands between cells: --colsep %s is no such byte", separator);
}
