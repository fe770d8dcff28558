/* The command line, read by the table of options: values, switches, letters in a row, and what follows --. */
#include <string.h>

#include "base/text.h"
#include "cli/cli.h"
#include "cli/parallel_options.h"

typedef struct {
    const command_t *command;
    int argc;
    char **argv;
    int at;
    arguments_t *ret;
} parser_t;

bool takes_option(const command_t *command, const fanmap_option_info_t *info)
{
    return (info->scope & command->scope) || (command->also && strcmp(command->also, info->name) == 0);
}

static const fanmap_option_info_t *find_long(const command_t *command, const char *name, size_t len)
{
    size_t n;
    const fanmap_option_info_t *table = fanmap_option_table(&n);
    for (size_t i = 0; i < n; i++) {
        const char *names[] = {table[i].name, table[i].alias};
        for (int k = 0; k < 2; k++)
            if (names[k] && takes_option(command, &table[i]) && text_is(name, len, names[k]))
                return &table[i];
    }
    return NULL;
}

static const fanmap_option_info_t *find_letter(const command_t *command, char letter)
{
    size_t n;
    const fanmap_option_info_t *table = fanmap_option_table(&n);
    for (size_t i = 0; i < n; i++)
        if (table[i].letter == letter && takes_option(command, &table[i]))
            return &table[i];
    return NULL;
}

/* A secret in argv can be read by everyone on the machine. */
static bool shows_secret(const fanmap_option_info_t *info, const char *value)
{
    if (!fanmap_option_is_secret(info->name, value))
        return false;
    if (strcmp(info->name, "redis") == 0)
        complain("a password in --redis can be read by everyone on this machine; put it into a file and give "
                 "--redis-password-file FILE");
    else
        complain("-X %.*s on the command line can be read by everyone on this machine; put it into a file and give "
                 "-F FILE",
                 (int)strcspn(value, "="), value);
    return true;
}

static int set_value(parser_t *p, const fanmap_option_info_t *info, const char *given)
{
    char room[40];
    const char *value = parallel_value(info, given, room, sizeof room);
    const fanmap_option_info_t *of_median = find_long(p->command, "timeout-percent", strlen("timeout-percent"));
    if (of_median && parallel_percentage(info, value, room, sizeof room)) {
        info = of_median;
        value = room;
    }
    if (shows_secret(info, value))
        return EXIT_USAGE;
    int status = set_option(p->ret, info->name, value);
    if (status != EXIT_ALL_WELL)
        return status;
    p->ret->has_also |= p->command->also && strcmp(p->command->also, info->name) == 0;
    return EXIT_ALL_WELL;
}

/* `name`: of the option in what was written, `shown`. */
static int refuse_unknown(const parser_t *p, const char *shown, const char *name, size_t len)
{
    if ((p->command->scope & FANMAP_SCOPE_SHELL) && parallel_is_left_out(name, len))
        return fail_with(EXIT_USAGE,
                         "%s is GNU parallel's, and not here: docs/from-parallel.md says what there is instead", shown);
    return fail_with(EXIT_USAGE, "%s has no option %s; see fanmap %s --help", p->command->name, shown,
                     p->command->name);
}

static int take_value(parser_t *p, const fanmap_option_info_t *info, const char *shown)
{
    if (p->at >= p->argc)
        return fail_with(EXIT_USAGE, "option %s wants a value: %s", shown, info->metavar);
    return set_value(p, info, p->argv[p->at++]);
}

static int parse_long(parser_t *p, const char *arg)
{
    const char *name = arg + 2, *equals = strchr(name, '=');
    size_t len = equals ? (size_t)(equals - name) : strlen(name);
    const char *own = p->command->scope & FANMAP_SCOPE_SHELL ? parallel_own_name(name, len) : NULL;
    const fanmap_option_info_t *info = own ? find_long(p->command, own, strlen(own)) : find_long(p->command, name, len);
    if (own && !*own)
        return EXIT_ALL_WELL;
    if (!info && len > 3 && strncmp(name, "no-", 3) == 0 && !equals) {
        info = find_long(p->command, name + 3, len - 3);
        return info && !info->metavar ? set_value(p, info, "false") : refuse_unknown(p, arg, name, len);
    }
    if (!info)
        return refuse_unknown(p, arg, name, len);
    if (equals)
        return set_value(p, info, equals + 1);
    if (strcmp(info->name, "retry-failed") == 0 && (p->at >= p->argc || strchr("-:", *p->argv[p->at]))) {
        p->ret->retries_log = true;
        return EXIT_ALL_WELL;
    }
    return info->metavar ? take_value(p, info, arg) : set_value(p, info, "true");
}

static const char CONTEXT[] = "context-replace";

/* Kafka has no properties where there is none: there -X is what it is to parallel. */
static bool is_local(const parser_t *p)
{
    if (!(p->command->scope & FANMAP_SCOPE_SHELL))
        return false;
    for (int i = 0; i < p->argc && strcmp(p->argv[i], "--") != 0; i++)
        if (strcmp(p->argv[i], "--local") == 0)
            return true;
    return false;
}

static int parse_letters(parser_t *p, const char *arg)
{
    bool is_shell = p->command->scope & FANMAP_SCOPE_SHELL;
    for (const char *letter = arg + 1; *letter; letter++) {
        char own = is_shell && *letter == 'P' ? 'j' : is_shell && *letter == 'a' ? 'i' : *letter;
        const fanmap_option_info_t *info =
            own == 'X' && is_local(p) ? find_long(p->command, CONTEXT, strlen(CONTEXT)) : find_letter(p->command, own);
        if (!info)
            return refuse_unknown(p, arg, letter, 1);
        if (info->metavar)
            return letter[1] ? set_value(p, info, letter + 1) : take_value(p, info, arg);
        int status = set_value(p, info, "true");
        if (status != EXIT_ALL_WELL)
            return status;
    }
    return EXIT_ALL_WELL;
}

/* ::: or ::::, or what --arg-sep and --arg-file-sep name, and each with a plus. */
static bool read_mark(const parser_t *p, const char *arg, bool *ret_is_file, bool *ret_is_linked)
{
    static const char *const names[] = {"arg-sep", "arg-file-sep"};
    for (int i = 0; i < 2; i++) {
        const char *mark = option_text(p->ret, names[i]);
        size_t len = mark ? strlen(mark) : 0;
        if (len == 0 || strncmp(arg, mark, len) != 0 || (arg[len] && strcmp(arg + len, "+") != 0))
            continue;
        *ret_is_file = i == 1;
        *ret_is_linked = arg[len] == '+';
        return true;
    }
    return false;
}

static bool begins_list(const parser_t *p, const char *arg)
{
    bool is_file, is_linked = true;
    return read_mark(p, arg, &is_file, &is_linked) && !is_linked;
}

/* A plus with no list before it would pass for part of a command, and leave that without items. */
static bool is_foreign(const parser_t *p, const char *arg)
{
    bool is_file, is_linked = false;
    if (!read_mark(p, arg, &is_file, &is_linked) || !is_linked)
        return false;
    complain("%s zips with the list before it: begin that with %s", arg, is_file ? "::::" : ":::");
    return true;
}

static int add_sequence(parser_t *p, char **at, const char *path, bool is_linked)
{
    arguments_t *ret = p->ret;
    if (ret->sequences_n == SEQUENCES_MAX)
        return fail_with(EXIT_USAGE, "more than %d lists", SEQUENCES_MAX);
    is_linked = ret->sequences_n > 0 && (is_linked || is_switch_set(ret, "link"));
    ret->sequences[ret->sequences_n++] = (values_t){.at = at, .path = path, .is_linked = is_linked};
    return EXIT_ALL_WELL;
}

/* From the first ::: or :::: on: each begins a list, with a plus one that is zipped with the list before. Of files each
 * is a list of its own. */
static int parse_lists(parser_t *p)
{
    bool is_file = false, is_linked = false;
    for (; p->at < p->argc; p->at++) {
        char *arg = p->argv[p->at];
        bool is_mark = read_mark(p, arg, &is_file, &is_linked);
        int status = EXIT_ALL_WELL;
        if (is_mark && !is_file)
            status = add_sequence(p, p->argv + p->at + 1, NULL, is_linked);
        else if (!is_mark && is_file)
            status = add_sequence(p, NULL, arg, is_linked);
        else if (!is_mark)
            p->ret->sequences[p->ret->sequences_n - 1].n++;
        if (status != EXIT_ALL_WELL)
            return status;
    }
    return EXIT_ALL_WELL;
}

static int parse_positional(parser_t *p, const char *arg)
{
    if (p->ret->positionals_n >= (is_switch_set(p->ret, "help") ? 1 : p->command->positionals_max))
        return fail_with(EXIT_USAGE, "%s takes no \"%s\"; see fanmap %s --help", p->command->name, arg,
                         p->command->name);
    p->ret->positionals[p->ret->positionals_n++] = arg;
    return EXIT_ALL_WELL;
}

static int parse_one(parser_t *p)
{
    char *arg = p->argv[p->at++];
    bool takes_items = p->command->scope & FANMAP_SCOPE_INPUT;
    if (takes_items && begins_list(p, arg)) {
        p->at--;
        return parse_lists(p);
    }
    if (takes_items && is_foreign(p, arg))
        return EXIT_USAGE;
    if (strcmp(arg, "--") == 0) {
        p->ret->has_argv = true;
        p->ret->argv = p->argv + p->at;
        p->ret->argv_n = p->argc - p->at;
        p->at = p->argc;
        for (int i = 0; i < p->ret->argv_n; i++) { /* as in parallel, ::: after the command begins the values */
            if (takes_items && begins_list(p, p->ret->argv[i])) {
                p->at = p->argc - p->ret->argv_n + i;
                p->ret->argv_n = i;
                return parse_lists(p);
            }
            if (takes_items && is_foreign(p, p->ret->argv[i]))
                return EXIT_USAGE;
        }
        return EXIT_ALL_WELL;
    }
    if (strncmp(arg, "--", 2) == 0)
        return parse_long(p, arg);
    if (arg[0] == '-' && arg[1])
        return parse_letters(p, arg);
    return parse_positional(p, arg);
}

static int check_words(const arguments_t *arguments)
{
    const char *name = arguments->command->name;
    if (arguments->has_argv && !(arguments->command->scope & (FANMAP_SCOPE_INPUT | FANMAP_SCOPE_CHECK)))
        return fail_with(EXIT_USAGE, "%s takes no -- CMD; see fanmap %s --help", name, name);
    if (arguments->has_argv && arguments->argv_n == 0)
        return fail_with(EXIT_USAGE, "which command follows --?");
    if (arguments->sequences_n > 0 && option_text(arguments, "input"))
        return fail_with(EXIT_USAGE, "items come from -i FILE or from ::: VALUE..., not from both");
    return EXIT_ALL_WELL;
}

int parse(const command_t *command, int argc, char **argv, arguments_t *ret)
{
    parser_t p = {command, argc, argv, 0, ret};
    fanmap_error_t err;
    memset(ret, 0, sizeof *ret);
    ret->command = command;
    if (fanmap_options_new(&ret->options) != FANMAP_OK)
        return fail_with(EXIT_IO, "out of memory");
    while (p.at < argc) {
        int status = parse_one(&p);
        if (status != EXIT_ALL_WELL)
            return status;
    }
    if (is_switch_set(ret, "help")) /* whatever the configuration says */
        return EXIT_ALL_WELL;
    if (check_words(ret) != EXIT_ALL_WELL)
        return EXIT_USAGE;
    if (fanmap_options_load(ret->options, fanmap_options_get(ret->options, "config", 0), &err) != FANMAP_OK)
        return fail_with(EXIT_USAGE, "%s", err.message);
    return EXIT_ALL_WELL;
}
