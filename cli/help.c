#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

enum { HELP_COLUMN = 34, USAGE_WIDTH = 36 };

static void print_option(const fanmap_option_info_t *info)
{
    char left[128];
    int n = info->letter ? snprintf(left, sizeof left, "  -%c, --%s", info->letter, info->name)
                         : snprintf(left, sizeof left, "      --%s", info->name);
    if (info->metavar)
        snprintf(left + n, sizeof left - (size_t)n, " %s", info->metavar);
    printf("%-*s", HELP_COLUMN, left);
    if (strlen(left) >= HELP_COLUMN)
        printf("\n%*s", HELP_COLUMN, "");
    printf("%s", info->help);
    if (info->metavar && info->standard)
        printf(" [%s]", info->standard);
    putchar('\n');
}

void print_help(const command_t *command)
{
    size_t n;
    const fanmap_option_info_t *table = fanmap_option_table(&n);
    printf("Usage: fanmap %s %s\n%s\n\n", command->name, command->usage, command->summary);
    for (size_t i = 0; i < n; i++)
        if (takes_option(command, &table[i]))
            print_option(&table[i]);
    printf("\nDurations carry a unit: 250ms, 30s, 5m. Options of all that connect can also stand in the environment\n"
           "(FANMAP_BROKERS, FANMAP_REDIS, ...) and in ~/.config/fanmap.conf.\n\nExample:\n");
    for (const char *const *example = command->examples; *example; example++)
        printf("  %s\n", *example);
}

void print_overview(void)
{
    printf("fanmap: map() over a fleet. One task, many inputs, results in input order, exceptions in their places.\n\n"
           "Usage: fanmap COMMAND ...\n\n");
    for (const command_t *command = commands; command->name; command++) {
        printf("  %-10s %-*s", command->name, USAGE_WIDTH, command->usage);
        if (strlen(command->usage) > USAGE_WIDTH)
            printf("\n%*s", USAGE_WIDTH + 13, "");
        printf(" %s\n", command->summary);
    }
    printf("\nfanmap COMMAND --help shows the options of each. stdout is data and nothing else.\n");
}
