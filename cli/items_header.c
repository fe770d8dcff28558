/* --header: the first item of each input, waited for. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/text.h"
#include "cli/items.h"

enum { HEAD_LINES_MAX = 1000 };

static bool has_name(const items_t *items, const char *name, size_t len)
{
    for (size_t i = 0; i < items->names_n; i++)
        if (text_is(name, len, items->names[i]))
            return true;
    return false;
}

/* {#}, {%}, {1} to {99}: these are not for a column to take. */
static bool is_builtin(const fanmap_part_t *cell)
{
    char text[3] = "";
    if (cell->len > 2)
        return false;
    memcpy(text, cell->bytes, cell->len);
    return strcmp(text, "#") == 0 || strcmp(text, "%") == 0 || strspn(text, "0123456789") == cell->len;
}

/* A column that has no name of its own goes by its number. */
static bool add_name(items_t *items, const fanmap_part_t *cell)
{
    char number[24];
    if (!array_extend(items->names, items->names_n, items->names_n + 2))
        return false;
    snprintf(number, sizeof number, "%zu", items->names_n + 1);
    bool is_own = cell->len > 0 && !is_builtin(cell) && !has_name(items, cell->bytes, cell->len);
    for (size_t free_n = items->names_n + 1; !is_own && has_name(items, number, strlen(number));)
        snprintf(number, sizeof number, "%zu", ++free_n);
    items->names[items->names_n] = is_own ? strndup(cell->bytes, cell->len) : strdup(number);
    items->names[items->names_n + 1] = NULL;
    return items->names[items->names_n++];
}

bool items_name_parts(items_t *items)
{
    while (items->parts.n < items->names_n)
        if (!part_list_add(&items->parts, (fanmap_part_t){"", 0}))
            return false;
    while (items->names_n < items->parts.n)
        if (!add_name(items, &(fanmap_part_t){"", 0}))
            return false;
    return true;
}

/* The first item of an input, waited for. EXIT_ALL_WELL; without one `ret` has length 0. */
static int wait_for_item(input_t *input, fanmap_part_t *ret)
{
    const char *bytes = "";
    size_t len = 0;
    int error = 0;
    input_state_t state;
    while ((state = input_peek(input, &bytes, &len)) == INPUT_WANTS_READ && !error)
        if (poll(&(struct pollfd){input->fd, POLLIN, 0}, 1, -1) > 0)
            error = input_read(input);
    if (error)
        return fail_with(EXIT_IO, "%s: %s", input->name, strerror(error));
    *ret = state == INPUT_ITEM ? (fanmap_part_t){bytes, len} : (fanmap_part_t){"", 0};
    return EXIT_ALL_WELL;
}

/* --header : the first item of each input names its columns. */
static int take_header(items_t *items)
{
    for (int i = 0; i < items->zip.n; i++) {
        fanmap_part_t line;
        int status = wait_for_item(&items->zip.at[i], &line);
        if (status != EXIT_ALL_WELL)
            return status;
        if (line.len >= 3 && memcmp(line.bytes, "\xef\xbb\xbf", 3) == 0) /* what some spreadsheets write first */
            line = (fanmap_part_t){(const char *)line.bytes + 3, line.len - 3};
        bool has_memory = cells_split(&items->cells, &line, 1, &items->parts);
        for (size_t k = 0; k < items->parts.n && has_memory; k++)
            has_memory = add_name(items, &items->parts.at[k]);
        if (!has_memory)
            return fail_with(EXIT_IO, "out of memory for the header");
        input_taken(&items->zip.at[i]);
    }
    return EXIT_ALL_WELL;
}

/* Of blocks: lines that stand before each. */
static int take_head(items_t *items, long lines)
{
    input_t *input = &items->zip.at[0];
    int status = EXIT_ALL_WELL;
    input->rules.block.is_on = false;
    for (long i = 0; i < lines && status == EXIT_ALL_WELL; i++) {
        fanmap_part_t line;
        status = wait_for_item(input, &line);
        buf_append(&items->head, line.bytes, line.len);
        buf_append(&items->head, "\n", 1);
        input_taken(input);
    }
    input->rules.block.is_on = true;
    return status;
}

int items_take_header(items_t *items, const char *header)
{
    char *end;
    bool is_colon = strcmp(header, ":") == 0;
    long lines = is_colon ? 1 : strtol(header, &end, 10);
    if (items->zip.at[0].rules.block.is_on && (is_colon || (*end == '\0' && lines > 0 && lines <= HEAD_LINES_MAX)))
        return take_head(items, lines);
    if (is_colon)
        return take_header(items);
    return fail_with(
        EXIT_USAGE, "--header : takes names from the first line, with --pipe --header N repeats N lines; %s is neither",
        header);
}
