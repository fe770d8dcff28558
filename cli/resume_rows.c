/* Rows of a job log: reading, and finding one again. */
#include <stdlib.h>
#include <string.h>

#include "cli/resume.h"

enum { COLUMN_SEQ, COLUMN_EXITVAL = 6, COLUMN_SIGNAL = 7, COLUMN_COMMAND = 8 };

static bool read_number(const char *text, uint64_t *ret)
{
    char *end;
    *ret = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == '\0';
}

bool resume_read_row(char *line, size_t len, resume_row_t *ret, const char **ret_command, size_t *ret_len)
{
    char *at[COLUMN_COMMAND + 1] = {line};
    for (int i = 1; i <= COLUMN_COMMAND; i++) {
        char *tab = memchr(at[i - 1], '\t', len - (size_t)(at[i - 1] - line));
        if (!tab)
            return false;
        *tab = '\0';
        at[i] = tab + 1;
    }
    resume_row_t row = {.has_failed = strcmp(at[COLUMN_EXITVAL], "0") != 0 || strcmp(at[COLUMN_SIGNAL], "0") != 0};
    if (!read_number(at[COLUMN_SEQ], &row.seq))
        return false;
    *ret_command = at[COLUMN_COMMAND];
    *ret_len = len - (size_t)(at[COLUMN_COMMAND] - line);
    row.hash = resume_hash(*ret_command, *ret_len);
    *ret = row;
    return true;
}

/* FNV-1a, of 64 bits: rows are compared with rows of the same place, so that two of them hardly meet. */
uint64_t resume_hash(const char *command, size_t len)
{
    uint64_t hash = 0xCBF29CE484222325u;
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (unsigned char)command[i]) * 0x100000001B3u;
    return hash;
}

static int compare(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

static int compare_items(const void *a, const void *b)
{
    const resume_row_t *x = a, *y = b;
    int by_seq = compare(x->seq, y->seq);
    return by_seq ? by_seq : compare(x->hash, y->hash);
}

static int compare_rows(const void *a, const void *b)
{
    const resume_row_t *x = a, *y = b;
    int by_item = compare_items(a, b);
    return by_item ? by_item : compare(x->line, y->line);
}

size_t resume_sort(resume_row_t *rows, size_t n)
{
    size_t kept = 0;
    if (n > 1)
        qsort(rows, n, sizeof *rows, compare_rows);
    for (size_t i = 0; i < n; i++) {
        if (i + 1 < n && compare_items(&rows[i], &rows[i + 1]) == 0)
            free(rows[i].command);
        else
            rows[kept++] = rows[i];
    }
    return kept;
}

const resume_row_t *resume_find(const resume_row_t *rows, size_t n, uint64_t seq, uint64_t hash)
{
    const resume_row_t wanted = {.seq = seq, .hash = hash};
    return n > 0 ? bsearch(&wanted, rows, n, sizeof *rows, compare_items) : NULL;
}
