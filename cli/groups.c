#include "cli/groups.h"

#include <string.h>

static const char *const input[] = {"input", "null", "text", "link", "input-format", "bind", NULL};
static const char *const command[] = {"sh", "replace", "raw", "command-output", "tasks", "exec", "serve", NULL};
static const char *const at_once[] = {"concurrency", "slots", NULL};
static const char *const failures[] = {"retries",    "timeout", "halt",         "fail-fast", "backoff",
                                       "final-exit", "grace",   "retry-failed", "deadline",  NULL};
static const char *const output[] = {"output-format", "records",  "unordered", "keep-order", "tag", "tagstring",
                                     "joblog",        "progress", "quiet",     "verbose",    NULL};
static const char *const isolation[] = {"local", "memory", "cpus", "cpu-time", "container", NULL};
static const char *const fleet[] = {"brokers",    "redis",    "redis-password-file",
                                    "namespace",  "queue",    "job-id",
                                    "properties", "property", "wait",
                                    "detach",     "config",   NULL};

const option_group_t option_groups[] = {
    {"input", "Input", input},          {"command", "What runs", command}, {"jobs", "How many at once", at_once},
    {"failures", "Failures", failures}, {"output", "Output", output},      {"isolation", "Isolation", isolation},
    {"fleet", "Fleet", fleet},          {NULL, "Other options", NULL},     {NULL, NULL, NULL},
};

static bool names(const option_group_t *group, const char *option)
{
    for (const char *const *name = group->options; name && *name; name++)
        if (strcmp(*name, option) == 0)
            return true;
    return false;
}

const option_group_t *group_of(const fanmap_option_info_t *info)
{
    const option_group_t *group = option_groups;
    while (group->name && !names(group, info->name))
        group++;
    return group;
}

static size_t show_named(const char *name, const command_t *of, void (*show)(const fanmap_option_info_t *))
{
    size_t n, shown = 0;
    const fanmap_option_info_t *table = fanmap_option_table(&n);
    for (size_t i = 0; i < n; i++) {
        bool is_meant = name ? strcmp(table[i].name, name) == 0 : !group_of(&table[i])->name;
        if (!is_meant || !takes_option(of, &table[i]))
            continue;
        if (show)
            show(&table[i]);
        shown++;
    }
    return shown;
}

size_t group_each(const option_group_t *group, const command_t *of, void (*show)(const fanmap_option_info_t *))
{
    size_t shown = 0;
    if (!group->name)
        return show_named(NULL, of, show);
    for (const char *const *name = group->options; *name; name++)
        shown += show_named(*name, of, show);
    return shown;
}
