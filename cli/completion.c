/* fanmap completion bash|zsh|fish: a script made from the tables of commands and options, so that it never lags behind
 * them. What a value is follows from its placeholder: FILE and DIR are paths, a|b|c are the words to choose from. */
#include "cli/completion.h"

#include <stdio.h>
#include <string.h>

#include "cli/commands.h"

/* "a|b|c" where that is all that the option takes, else NULL. */
static const char *completion_words(const fanmap_option_info_t *info)
{
    const char *metavar = info->metavar;
    if (!metavar || !strchr(metavar, '|') ||
        strspn(metavar, "abcdefghijklmnopqrstuvwxyz0123456789-|") != strlen(metavar))
        return NULL;
    return metavar;
}

completion_kind_t completion_kind(const fanmap_option_info_t *info)
{
    if (!info->metavar)
        return COMPLETE_SWITCH;
    if (completion_words(info))
        return COMPLETE_WORDS;
    if (strcmp(info->metavar, "FILE") == 0)
        return COMPLETE_FILE;
    return strcmp(info->metavar, "DIR") == 0 ? COMPLETE_DIR : COMPLETE_OTHER;
}

void completion_put_words(const char *words)
{
    for (; *words; words++)
        putchar(*words == '|' ? ' ' : *words);
}

/* ---- bash ---- */

static void bash_names(const fanmap_option_info_t *info, const char *between)
{
    printf("--%s", info->name);
    if (info->alias)
        printf("%s--%s", between, info->alias);
    if (info->letter)
        printf("%s-%c", between, info->letter);
}

static void bash_options(const command_t *command)
{
    size_t n;
    const fanmap_option_info_t *table = fanmap_option_table(&n);
    printf("        %s) options=\"", command->name);
    const char *space = "";
    for (size_t i = 0; i < n; i++) {
        if (!shows_option(command, &table[i]))
            continue;
        fputs(space, stdout);
        bash_names(&table[i], " ");
        if (!table[i].metavar && table[i].standard && strcmp(table[i].standard, "true") == 0)
            printf(" --no-%s", table[i].name);
        space = " ";
    }
    puts("\" ;;");
}

static void bash_values(void)
{
    static const char *const actions[] = {[COMPLETE_FILE] = "mapfile -t COMPREPLY < <(compgen -f -- \"$cur\"); return",
                                          [COMPLETE_DIR] = "mapfile -t COMPREPLY < <(compgen -d -- \"$cur\"); return",
                                          [COMPLETE_OTHER] = "return"};
    size_t n;
    const fanmap_option_info_t *table = fanmap_option_table(&n);
    for (size_t i = 0; i < n; i++) {
        completion_kind_t kind = completion_kind(&table[i]);
        if (kind == COMPLETE_SWITCH)
            continue;
        fputs("        ", stdout);
        bash_names(&table[i], "|");
        fputs(") ", stdout);
        if (kind == COMPLETE_WORDS) {
            fputs("mapfile -t COMPREPLY < <(compgen -W \"", stdout);
            completion_put_words(table[i].metavar);
            puts("\" -- \"$cur\"); return ;;");
        } else {
            printf("%s ;;\n", actions[kind]);
        }
    }
}

static void print_bash(void)
{
    puts("# bash completion for fanmap, made by: fanmap completion bash\n"
         "_fanmap()\n"
         "{\n"
         "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command= options= i\n"
         "    COMPREPLY=()\n"
         "    if [[ $cur == = ]]; then cur=\n"
         "    elif [[ $prev == = ]]; then prev=${COMP_WORDS[COMP_CWORD-2]}\n"
         "    fi\n"
         "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
         "        case ${COMP_WORDS[i]} in\n"
         "        -- | :::*) mapfile -t COMPREPLY < <(compgen -f -- \"$cur\"); return ;;\n"
         "        -*) ;;\n"
         "        *) command=${command:-${COMP_WORDS[i]}} ;;\n"
         "        esac\n"
         "    done\n"
         "    case $command in");
    fputs("        \"\") options=\"", stdout);
    for (const command_t *command = commands; command->name; command++)
        printf("%s ", command->name);
    puts("--help --version\"; mapfile -t COMPREPLY < <(compgen -W \"$options\" -- \"$cur\"); return ;;");
    for (const command_t *command = commands; command->name; command++)
        bash_options(command);
    puts("    esac\n"
         "    case $prev in");
    bash_values();
    puts("    esac\n"
         "    case $command:$cur in\n"
         "        *:-*) mapfile -t COMPREPLY < <(compgen -W \"$options\" -- \"$cur\") ;;\n"
         "        completion:*) mapfile -t COMPREPLY < <(compgen -W \"bash zsh fish\" -- \"$cur\") ;;");
    fputs("        man:*) mapfile -t COMPREPLY < <(compgen -W \"", stdout);
    for (const command_t *command = commands; command->name; command++)
        printf("%s%s", command == commands ? "" : " ", command->name);
    puts("\" -- \"$cur\") ;;\n"
         "    esac\n"
         "}\n"
         "complete -o filenames -F _fanmap fanmap");
}

int run_completion(arguments_t *arguments)
{
    const char *shell = arguments->positionals_n > 0 ? arguments->positionals[0] : "";
    if (strcmp(shell, "bash") == 0) {
        print_bash();
    } else if (strcmp(shell, "zsh") == 0) {
        print_zsh();
    } else if (strcmp(shell, "fish") == 0) {
        print_fish();
    } else {
        return fail_with(EXIT_USAGE, "for which shell? fanmap completion bash|zsh|fish");
    }
    return EXIT_ALL_WELL;
}
