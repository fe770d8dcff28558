#include "cli/cells.h"

#include <ctype.h>
#include <string.h>

#include "cli/csv.h"

/* ---- what separates them ---- */

char cells_one_byte(const char *text)
{
    if (strcmp(text, "\\t") == 0)
        return '\t';
    if (text[0] == '\\' && text[1] && ispunct((unsigned char)text[1]) && !text[2])
        return text[1];
    return text[0] && !text[1] && !strchr(".^$*+?()[]{}|\\", text[0]) ? text[0] : '\0';
}

/* What perl writes with a backslash, and POSIX otherwise. */
static void put_escaped(buf_t *ret, char c, bool is_in_set)
{
    static const struct {
        char c;
        const char *in_set, *alone;
    } names[] = {{'t', "\t", "\t"},
                 {'n', "\n", "\n"},
                 {'d', "0-9", "[0-9]"},
                 {'s', "[:space:]", "[[:space:]]"},
                 {'w', "[:alnum:]_", "[[:alnum:]_]"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].c == c) {
            buf_append_text(ret, is_in_set ? names[i].in_set : names[i].alone);
            return;
        }
    if (!is_in_set)
        buf_printf(ret, "\\%c", c);
    else if (strchr("]^-", c))
        buf_printf(ret, "[.%c.]", c);
    else
        buf_append(ret, &c, 1);
}

/* Where what stands in brackets ends, if it begins here: [: or the first ] of a set, which is one of it. */
static size_t plain_in_set(const char *at, bool is_first)
{
    const char *end = at[0] == '[' && at[1] == ':' ? strstr(at + 2, ":]") : NULL;
    return end ? (size_t)(end + 2 - at) : at[0] == '^' && is_first ? 1 + (size_t)(at[1] == ']') : 1;
}

void cells_expression(const char *text, buf_t *ret)
{
    const char *set = NULL; /* the [ that is open */
    for (const char *at = text; *at;) {
        bool is_first = set && at == set + 1;
        size_t n = set ? plain_in_set(at, is_first) : 1;
        if (*at == '\\' && at[1]) {
            put_escaped(ret, at[1], set != NULL);
            at += 2;
            continue;
        }
        if (!set && *at == '[')
            set = at;
        else if (set && *at == ']' && !is_first)
            set = NULL;
        buf_append(ret, at, n);
        at += n;
    }
    buf_append(ret, "", 1);
}

/* ---- an item ---- */

static bool add_trimmed(const cells_t *cells, part_list_t *ret, const char *begin, size_t len)
{
    for (; cells->trims_left && len > 0 && isspace((unsigned char)*begin); len--)
        begin++;
    while (cells->trims_right && len > 0 && isspace((unsigned char)begin[len - 1]))
        len--;
    return part_list_add(ret, (fanmap_part_t){begin, len});
}

/* Where the next separator begins and ends. */
static bool find_separator(const cells_t *cells, const char *at, const char *end, const char **ret_begin,
                           const char **ret_end)
{
    if (cells->separator) {
        *ret_begin = memchr(at, cells->separator, (size_t)(end - at));
        *ret_end = *ret_begin ? *ret_begin + 1 : NULL;
        return *ret_begin;
    }
    regmatch_t match = {0, (regoff_t)(end - at)}; /* an item is no longer than --item-max allows */
    if (regexec(&cells->expression, at, 1, &match, REG_STARTEND) != 0)
        return false;
    if (match.rm_eo == 0) /* nothing, at its beginning: between two bytes */
        match.rm_so = match.rm_eo = 1;
    *ret_begin = at + match.rm_so;
    *ret_end = at + match.rm_eo;
    return *ret_begin < end;
}

static bool split_at_separators(const cells_t *cells, const char *at, const char *end, part_list_t *ret)
{
    const char *begin, *behind;
    while (at < end && find_separator(cells, at, end, &begin, &behind)) {
        if (!add_trimmed(cells, ret, at, (size_t)(begin - at)))
            return false;
        at = behind;
    }
    return add_trimmed(cells, ret, at, (size_t)(end - at));
}

static bool split_csv(cells_t *cells, const char *at, const char *end, part_list_t *ret)
{
    if (end > at && end[-1] == '\r')
        end--;
    while (at) {
        char *to = (char *)cells->text.data + cells->text.len;
        size_t len;
        at = csv_cell(at, end, cells->separator, to, &len);
        cells->text.len += len;
        if (!add_trimmed(cells, ret, to, len))
            return false;
    }
    return true;
}

static bool split_part(cells_t *cells, const char *at, const char *end, part_list_t *ret)
{
    if (!cells->is_split)
        return add_trimmed(cells, ret, at, (size_t)(end - at));
    return cells->is_csv ? split_csv(cells, at, end, ret) : split_at_separators(cells, at, end, ret);
}

bool cells_split(cells_t *cells, const fanmap_part_t *parts, size_t n, part_list_t *ret)
{
    size_t len = 1;
    ret->n = 0;
    buf_clear(&cells->text);
    for (size_t i = 0; i < n; i++)
        len += parts[i].len;
    if (cells->is_csv && !buf_reserve(&cells->text, len))
        return false;
    for (size_t i = 0; i < n; i++) {
        const char *begin = parts[i].bytes;
        if (!split_part(cells, begin, begin + parts[i].len, ret))
            return false;
    }
    return true;
}

bool cells_change(const cells_t *cells)
{
    return cells->is_split || cells->trims_left || cells->trims_right;
}

void cells_close(cells_t *cells)
{
    if (cells->has_expression)
        regfree(&cells->expression);
    buf_free(&cells->text);
    *cells = (cells_t){0};
}
