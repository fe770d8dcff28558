/* The completion scripts of bash, zsh and fish, printed from the tables of commands and options. */
#include <stdio.h>
#include <string.h>

#include "cli/completion.h"

/* Into single quotes, with a backslash before each of `special`. */
static void put_quoted(const char *text, const char *special)
{
    for (; *text; text++) {
        if (*text == '\'')
            fputs("'\\'", stdout);
        else if (strchr(special, *text))
            putchar('\\');
        putchar(*text);
    }
}

/* ---- zsh ---- */

static void zsh_value(const fanmap_option_info_t *info)
{
    static const char *const actions[] = {
        [COMPLETE_FILE] = "_files", [COMPLETE_DIR] = "_files -/", [COMPLETE_OTHER] = " "};
    if (!info->metavar)
        return;
    putchar(':');
    put_quoted(info->metavar, ":");
    putchar(':');
    completion_kind_t kind = completion_kind(info);
    if (kind == COMPLETE_WORDS) {
        putchar('(');
        completion_put_words(info->metavar);
        putchar(')');
    } else {
        fputs(actions[kind], stdout);
    }
}

static void zsh_name(const fanmap_option_info_t *info, const char *dashes, const char *name)
{
    printf("            '%s%s%s[", info->repeats ? "*" : "", dashes, name);
    put_quoted(info->help, "[]:\\");
    putchar(']');
    zsh_value(info);
    puts("' \\");
}

static void zsh_option(const fanmap_option_info_t *info)
{
    char letter[2] = {info->letter, '\0'};
    zsh_name(info, "--", info->name);
    if (info->alias)
        zsh_name(info, "--", info->alias);
    if (info->letter)
        zsh_name(info, "-", letter);
}

void print_zsh(void)
{
    size_t n;
    const fanmap_option_info_t *table = fanmap_option_table(&n);
    puts("#compdef fanmap\n"
         "# zsh completion for fanmap, made by: fanmap completion zsh\n"
         "_fanmap() {\n"
         "    local context state line\n"
         "    typeset -A opt_args\n"
         "    _arguments -C '(- *)--help[show the commands]' '(- *)--version[show the version]' \\\n"
         "        '1:command:->command' '*::argument:->argument'\n"
         "    case $state in\n"
         "    command)\n"
         "        local -a commands=(");
    for (const command_t *command = commands; command->name; command++) {
        printf("            '%s:", command->name);
        put_quoted(command->summary, ":\\");
        puts("'");
    }
    puts("        )\n"
         "        _describe command commands ;;\n"
         "    argument)\n"
         "        case $line[1] in");
    for (const command_t *command = commands; command->name; command++) {
        printf("        %s) _arguments -s \\\n", command->name);
        for (size_t i = 0; i < n; i++)
            if (shows_option(command, &table[i]))
                zsh_option(&table[i]);
        puts("            '*:argument:_files' ;;");
    }
    puts("        esac ;;\n"
         "    esac\n"
         "}\n"
         "if [[ $funcstack[1] == _fanmap ]]; then _fanmap \"$@\"; else compdef _fanmap fanmap; fi");
}

/* ---- fish ---- */

static void fish_option(const command_t *command, const fanmap_option_info_t *info)
{
    printf("complete -c fanmap -n '__fish_seen_subcommand_from %s' -l %s", command->name, info->name);
    if (info->alias)
        printf(" -l %s", info->alias);
    if (info->letter)
        printf(" -s %c", info->letter);
    completion_kind_t kind = completion_kind(info);
    if (kind == COMPLETE_WORDS) {
        fputs(" -x -a '", stdout);
        completion_put_words(info->metavar);
        putchar('\'');
    } else if (kind == COMPLETE_FILE) {
        fputs(" -r -F", stdout);
    } else if (kind == COMPLETE_DIR) {
        fputs(" -x -a '(__fish_complete_directories)'", stdout);
    } else if (kind == COMPLETE_OTHER) {
        fputs(" -x", stdout);
    }
    fputs(" -d '", stdout);
    for (const char *text = info->help; *text; text++)
        printf(*text == '\'' || *text == '\\' ? "\\%c" : "%c", *text);
    puts("'");
}

void print_fish(void)
{
    size_t n;
    const fanmap_option_info_t *table = fanmap_option_table(&n);
    puts("# fish completion for fanmap, made by: fanmap completion fish\n"
         "complete -c fanmap -f\n"
         "complete -c fanmap -n __fish_use_subcommand -l help -d 'show the commands'\n"
         "complete -c fanmap -n __fish_use_subcommand -l version -d 'show the version'");
    for (const command_t *command = commands; command->name; command++)
        printf("complete -c fanmap -n __fish_use_subcommand -a %s -d '%s'\n", command->name, command->summary);
    for (const command_t *command = commands; command->name; command++)
        for (size_t i = 0; i < n; i++)
            if (shows_option(command, &table[i]))
                fish_option(command, &table[i]);
    puts("complete -c fanmap -n '__fish_seen_subcommand_from completion' -a 'bash zsh fish'");
}
