#include "cli/blocks.h"

#include <string.h>

/* The next place between two records, or 0. */
static size_t next_end(const block_rules_t *rules, const char *bytes, size_t len, block_scan_t *scan)
{
    size_t from = scan->searched > scan->at ? scan->searched : scan->at + (rules->end_len == 0);
    const char *found = NULL;
    if (from < len)
        found = rules->mark_len == 1 ? memchr(bytes + from, rules->mark[0], len - from)
                                     : memmem(bytes + from, len - from, rules->mark, rules->mark_len);
    if (found)
        return (size_t)(found - bytes) + rules->end_len;
    size_t kept = rules->mark_len - 1;
    scan->searched = len > kept + scan->at ? len - kept : 0;
    return 0;
}

static void count_record(const block_rules_t *rules, size_t end, block_scan_t *scan)
{
    scan->at = end;
    scan->searched = 0;
    if (++scan->records % rules->unit == 0)
        scan->cut = end;
}

/* Up to the last place within `len`, or the one that makes the block whole. */
static bool scan_records(const block_rules_t *rules, const char *bytes, size_t len, block_scan_t *scan)
{
    size_t end;
    while ((end = next_end(rules, bytes, len, scan)) > 0) {
        count_record(rules, end, scan);
        if (rules->records_max > 0 && scan->records == rules->records_max * rules->unit)
            return true;
    }
    return false;
}

static size_t find_cut(const block_rules_t *rules, const char *bytes, size_t len, bool is_at_end, block_scan_t *scan)
{
    if (rules->records_max > 0)
        return scan_records(rules, bytes, len, scan) ? scan->cut : is_at_end ? len : 0;
    if (len < rules->block_bytes || (is_at_end && len == rules->block_bytes))
        return is_at_end ? len : 0;
    if (scan->cut == 0)
        (void)scan_records(rules, bytes, rules->block_bytes, scan);
    for (size_t end = 1; scan->cut == 0 && end > 0;) /* a record that is longer than a block */
        if ((end = next_end(rules, bytes, len, scan)) > 0)
            count_record(rules, end, scan);
    return scan->cut > 0 ? scan->cut : is_at_end ? len : 0;
}

size_t block_cut(const block_rules_t *rules, const char *bytes, size_t len, bool is_at_end, block_scan_t *scan)
{
    if (scan->len == 0)
        scan->len = find_cut(rules, bytes, len, is_at_end, scan);
    return scan->len;
}

bool block_skip(const block_rules_t *rules, const char *bytes, size_t len, size_t *ret)
{
    size_t kept = rules->mark_len - 1; /* the mark may begin there */
    const char *found = len > 0 ? memmem(bytes, len, rules->mark, rules->mark_len) : NULL;
    if (found)
        *ret = (size_t)(found - bytes) + rules->end_len;
    else
        *ret = len > kept ? len - kept : 0;
    return found;
}

size_t block_mark(const char *text, char *ret)
{
    static const char names[] = "ntr0\\", bytes[] = "\n\t\r\0\\";
    size_t len = 0;
    for (; *text; text++) {
        const char *name = *text == '\\' && text[1] ? strchr(names, text[1]) : NULL;
        ret[len++] = name ? bytes[name - names] : *text;
        text += name != NULL;
    }
    return len;
}
