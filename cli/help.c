#include <stdio.h>
#include <string.h>

#include "cli/groups.h"

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

/* How many options of the command it did not show. */
static size_t print_groups(const command_t *command, bool is_all)
{
    size_t hidden = 0;
    bool may_hide = (command->scope & FANMAP_SCOPE_MAP) && !is_all;
    for (const option_group_t *group = option_groups; group->title; group++) {
        size_t n = group_each(group, command, NULL);
        if (!group->name && may_hide) {
            hidden += n;
        } else if (n > 0) {
            printf("%s:\n", group->title);
            (void)group_each(group, command, print_option);
            putchar('\n');
        }
    }
    return hidden;
}

void print_help(const command_t *command, bool is_all)
{
    printf("Usage: fanmap %s %s\n%s\n\n", command->name, command->usage, command->summary);
    size_t hidden = print_groups(command, is_all);
    if (hidden > 0)
        printf("fanmap %s --help all shows %zu more options.\n", command->name, hidden);
    printf("Durations carry a unit: 250ms, 30s, 5m. Options of all that connect can also stand in the environment\n"
           "(FANMAP_BROKERS, FANMAP_REDIS, ...) and in ~/.config/fanmap.conf.\n\nExamples:\n");
    for (const char *const *example = command->examples; *example; example++)
        printf("  %s\n", *example);
}

static void list_topics(char *ret, size_t cap)
{
    size_t n = 0;
    for (const option_group_t *group = option_groups; group->name && n < cap; group++)
        n += (size_t)snprintf(ret + n, cap - n, "%s%s", group == option_groups ? "" : ", ", group->name);
}

/* A command, or a group of the options of map, or of stream where map has none of them. */
int print_topic(const char *topic)
{
    char topics[200];
    const command_t *command = command_find(topic);
    if (command) {
        print_help(command, false);
        return EXIT_ALL_WELL;
    }
    for (const option_group_t *group = option_groups; group->name; group++) {
        if (strcmp(group->name, topic) != 0)
            continue;
        printf("%s:\n", group->title);
        if (group_each(group, command_find("map"), print_option) == 0)
            (void)group_each(group, command_find("stream"), print_option);
        return EXIT_ALL_WELL;
    }
    list_topics(topics, sizeof topics);
    return fail_with(EXIT_USAGE, "there is no help on \"%s\": name a command, or one of %s", topic, topics);
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
    char topics[200];
    list_topics(topics, sizeof topics);
    printf("\nfanmap COMMAND --help shows the options of each, fanmap help TOPIC those of a topic:\n%s.\n"
           "stdout is data and nothing else.\n",
           topics);
}
