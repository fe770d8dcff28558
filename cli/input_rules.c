/* How items are written, by what the command line says. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cells.h"
#include "cli/input.h"

static const char *format_name(const arguments_t *arguments, const char *standard_format)
{
    const char *format = option_text(arguments, "input-format");
    if (is_switch_set(arguments, "null"))
        return "nul";
    if (!format && is_switch_set(arguments, "text"))
        return "lines";
    return format ? format : standard_format;
}

/* Parts of a line are typed as words behind ::: are. */
static bool has_parts(const arguments_t *arguments)
{
    return option_text(arguments, "colsep") || option_text(arguments, "trim") || option_text(arguments, "delimiter") ||
           is_switch_set(arguments, "csv");
}

/* One byte, as xargs and parallel take it: itself, \\n and the like, \\x1f, \\037. */
static bool read_byte(const char *text, char *ret)
{
    char mark[8], *end;
    bool is_hex = text[0] == '\\' && text[1] == 'x', is_octal = text[0] == '\\' && isdigit((unsigned char)text[1]);
    if (is_hex || is_octal) {
        long code = strtol(text + 1 + is_hex, &end, is_hex ? 16 : 8);
        *ret = (char)code;
        return end > text + 1 + is_hex && *end == '\0' && code >= 0 && code <= 255;
    }
    bool is_one = strlen(text) < sizeof mark && block_mark(text, mark) == 1;
    if (is_one)
        *ret = mark[0];
    return is_one;
}

/* Which byte ends an item, and which item ends the input. */
static int set_ends(const arguments_t *arguments, input_rules_t *rules)
{
    const char *delimiter = option_text(arguments, "delimiter"), *end = option_text(arguments, "eof");
    if (delimiter && !read_byte(delimiter, &rules->delimiter))
        return fail_with(EXIT_USAGE, "-d %s: one byte ends an item, written as itself or as \\n, \\t, \\0, \\x1f",
                         delimiter);
    if (is_switch_set(arguments, "csv") && (delimiter || is_switch_set(arguments, "null")))
        return fail_with(EXIT_USAGE, "rows of --csv end with a newline: not with %s", delimiter ? "-d" : "-0");
    if (!end || !*end) /* as xargs has it: none */
        return EXIT_ALL_WELL;
    if (strlen(end) >= END_BYTES)
        return fail_with(EXIT_USAGE, "-E: an item of less than %d bytes ends the input", END_BYTES);
    rules->has_end = true;
    memcpy(rules->end, end, strlen(end) + 1);
    return EXIT_ALL_WELL;
}

/* What stands between records: the newline, or what was given. */
static int set_marks(const arguments_t *arguments, block_rules_t *block)
{
    const char *end = option_text(arguments, "recend"), *begin = option_text(arguments, "recstart");
    if (!end)
        end = begin ? "" : "\n";
    if (!begin)
        begin = "";
    if (strlen(end) > RECORD_MARK_MAX || strlen(begin) > RECORD_MARK_MAX || strlen(end) + strlen(begin) == 0)
        return fail_with(EXIT_USAGE, "--recstart and --recend are texts of up to %d bytes, and not both empty",
                         RECORD_MARK_MAX);
    block->end_len = block_mark(end, block->mark);
    block->mark_len = block->end_len + block_mark(begin, block->mark + block->end_len);
    return EXIT_ALL_WELL;
}

/* A command gets a block as it is; for a task it is a text, or binary where it is none. */
static int set_blocks(const arguments_t *arguments, input_rules_t *rules)
{
    static const char *const others[] = {"colsep", "trim", "input-format", "delimiter", "eof"};
    const fanmap_options_t *o = arguments->options;
    size_t n = (size_t)fanmap_options_number(o, "max-replace-args"),
           unit = (size_t)fanmap_options_number(o, "max-lines");
    if (is_switch_set(arguments, "csv"))
        return fail_with(EXIT_USAGE, "--pipe cuts a stream into blocks: not with --csv");
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (option_text(arguments, others[i]))
            return fail_with(EXIT_USAGE, "--pipe cuts a stream into blocks: not with --%s", others[i]);
    rules->format = arguments_have_command(arguments) ? FANMAP_BYTES : FANMAP_TEXT;
    rules->block = (block_rules_t){.is_on = true,
                                   .block_bytes = (size_t)fanmap_options_number(o, "block"),
                                   .records_max = n > 0 ? n : (size_t)fanmap_options_number(o, "max-args"),
                                   .unit = unit > 0 ? unit : 1};
    return set_marks(arguments, &rules->block);
}

int input_rules(const arguments_t *arguments, const char *standard_format, input_rules_t *ret)
{
    const char *separator = option_text(arguments, "colsep");
    bool is_typed = strcmp(standard_format, "jsonl") == 0 && (arguments->sequences_n > 0 || has_parts(arguments));
    const char *format = format_name(arguments, is_typed ? "words" : standard_format);
    input_rules_t rules = {.format = FANMAP_TEXT,
                           .delimiter = strcmp(format, "nul") == 0 ? '\0' : '\n',
                           .is_csv = is_switch_set(arguments, "csv"),
                           .separator = cells_one_byte(separator ? separator : ","),
                           .item_max = (size_t)fanmap_options_number(arguments->options, "item-max")};
    if (strcmp(format, "jsonl") == 0)
        rules.format = FANMAP_JSON;
    else if (strcmp(format, "words") == 0)
        rules.format = FANMAP_WORD;
    else if (strcmp(format, "msgpack") == 0)
        rules.format = FANMAP_WRAPPED;
    *ret = rules;
    return is_switch_set(arguments, "pipe") ? set_blocks(arguments, ret) : set_ends(arguments, ret);
}
