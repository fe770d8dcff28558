/* fanmap man [COMMAND]: manual pages in roff, from the tables of commands and options and the prose of manual_text.c.
 */
#include "cli/manual.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/groups.h"

/* Text as roff shows it literally. */
static void put_literal(const char *text)
{
    for (const char *at = text; *at; at++) {
        if (*at == '\\')
            fputs("\\e", stdout);
        else if (*at == '-')
            fputs("\\-", stdout);
        else if (*at == '\'')
            fputs("\\(aq", stdout);
        else if (*at == '~')
            fputs("\\(ti", stdout);
        else if (*at == '^')
            fputs("\\(ha", stdout);
        else if (*at == '`')
            fputs("\\(ga", stdout);
        else if (*at == '.' && at == text)
            fputs("\\&.", stdout);
        else
            putchar(*at);
    }
}

static void put_bytes(const char *text, size_t len)
{
    char part[1024];
    for (; len > 0; text += strlen(part), len -= strlen(part)) {
        snprintf(part, sizeof part, "%.*s", (int)len, text);
        put_literal(part);
    }
}

static void put_example(const char *text, size_t len)
{
    fputs(".nf\n.RS\n", stdout);
    put_bytes(text, len);
    fputs("\n.RE\n.fi\n", stdout);
}

/* Paragraphs apart by an empty line; lines that begin with two blanks as they are. */
static void put_paragraphs(const char *text)
{
    while (*text) {
        size_t len = strcspn(text, "\n");
        if (len == 0) {
            puts(".PP");
        } else if (strncmp(text, "  ", 2) == 0) {
            put_example(text + 2, len - 2);
        } else {
            put_bytes(text, len);
            putchar('\n');
        }
        text += len + (text[len] == '\n');
    }
}

static void put_option(const fanmap_option_info_t *info)
{
    puts(".TP");
    if (info->letter)
        printf("\\fB\\-%c\\fR, ", info->letter);
    fputs("\\fB\\-\\-", stdout);
    put_literal(info->name);
    if (info->alias) {
        fputs("\\fR, \\fB\\-\\-", stdout);
        put_literal(info->alias);
    }
    fputs("\\fR", stdout);
    if (info->metavar) {
        fputs(" \\fI", stdout);
        put_literal(info->metavar);
        fputs("\\fR", stdout);
    }
    putchar('\n');
    put_literal(info->help);
    if (info->repeats)
        fputs(" (repeats)", stdout);
    if (info->metavar && info->standard) {
        fputs(" [", stdout);
        put_literal(info->standard);
        putchar(']');
    }
    putchar('\n');
}

static void put_options(const command_t *command)
{
    puts(".SH OPTIONS");
    for (const option_group_t *group = option_groups; group->title; group++) {
        if (group_each(group, command, NULL) == 0)
            continue;
        printf(".SS %s\n", group->title);
        (void)group_each(group, command, put_option);
    }
    puts(".PP\nDurations carry a unit: 250ms, 30s, 5m; sizes too: 64KiB, 1MiB. \\fB\\-\\-no\\-\\fR\\fINAME\\fR turns a "
         "switch off.");
}

static void put_environment(void)
{
    size_t n;
    const fanmap_option_info_t *table = fanmap_option_table(&n);
    puts(".SH ENVIRONMENT\nEvery option of all that connect can stand in the environment:");
    const char *before = "";
    for (size_t i = 0; i < n; i++) {
        if (!(table[i].scope & FANMAP_SCOPE_CONNECT) || !table[i].metavar)
            continue;
        printf("%sFANMAP_", before);
        for (const char *c = table[i].name; *c; c++)
            putchar(*c == '-' ? '_' : *c >= 'a' && *c <= 'z' ? *c - 32 : *c);
        before = ",\n";
    }
    puts(".\n.PP\nNO_COLOR: no colours on stderr. TMPDIR: where outcomes wait that do not fit into memory (/var/tmp).");
}

static void put_tail(void)
{
    put_environment();
    for (const manual_section_t *section = manual_sections; section->title; section++) {
        printf(".SH %s\n", section->title);
        put_paragraphs(section->text);
    }
    puts(".SH SEE ALSO");
    fputs("\\fBfanmap\\fR(1)", stdout);
    for (const command_t *command = commands; command->name; command++)
        printf(",\n\\fBfanmap\\-%s\\fR(1)", command->name);
    puts("");
}

static void put_head(const char *name, const char *summary)
{
    printf(".TH %s 1 \"\" \"fanmap " FANMAP_VERSION "\" \"fanmap\"\n.SH NAME\n", name);
    put_literal(name);
    fputs(" \\- ", stdout);
    put_literal(summary);
    puts("\n.SH SYNOPSIS");
}

static void print_page(const command_t *command)
{
    char name[64];
    const char *text = manual_description(command->name);
    snprintf(name, sizeof name, "fanmap-%s", command->name);
    put_head(name, command->summary);
    printf("\\fBfanmap %s\\fR ", command->name);
    put_literal(command->usage);
    puts(" [\\fIOPTION\\fR...]\n.SH DESCRIPTION");
    put_paragraphs(text ? text : command->summary);
    if (!text)
        putchar('\n');
    put_options(command);
    puts(".SH EXAMPLES");
    for (const char *const *example = command->examples; *example; example++)
        put_example(*example, strlen(*example));
    put_tail();
}

static void print_main_page(void)
{
    put_head("fanmap", "map() over a fleet");
    puts("\\fBfanmap\\fR \\fICOMMAND\\fR [\\fIARGUMENT\\fR...]\n.SH DESCRIPTION");
    put_paragraphs(manual_description(""));
    puts(".SH COMMANDS");
    for (const command_t *command = commands; command->name; command++) {
        printf(".TP\n\\fB%s\\fR ", command->name);
        put_literal(command->usage);
        putchar('\n');
        put_literal(command->summary);
        putchar('\n');
    }
    puts(".SH EXAMPLES");
    for (const command_t *command = commands; command->name; command++)
        for (const char *const *example = command->examples; *example; example++)
            put_example(*example, strlen(*example));
    put_tail();
}

/* For a person the page is shown as man shows pages; NULL: stdout gets its source. */
static FILE *open_pager(void)
{
    bool has_man =
        isatty(STDOUT_FILENO) == 1 && system("command -v man >/dev/null 2>&1") == 0; /* NOLINT: no input in it */
    FILE *pager = has_man ? popen("man -l -", "w") : NULL;                           /* NOLINT */
    if (pager)
        dup2(fileno(pager), STDOUT_FILENO);
    return pager;
}

int run_man(arguments_t *arguments)
{
    const char *name = arguments->positionals_n > 0 ? arguments->positionals[0] : NULL;
    const command_t *command = name ? command_find(name) : NULL;
    if (name && !command)
        return fail_with(EXIT_USAGE, "there is no command \"%s\"; see fanmap --help", name);
    FILE *pager = open_pager();
    if (command)
        print_page(command);
    else
        print_main_page();
    if (!pager)
        return EXIT_ALL_WELL;
    fflush(stdout);
    close(STDOUT_FILENO);
    pclose(pager);
    return open("/dev/null", O_WRONLY) < 0 ? EXIT_IO : EXIT_ALL_WELL; /* stdout stays sound to the end */
}
