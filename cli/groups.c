#include "cli/groups.h"

#include <stdio.h>
#include <string.h>

static const char *const input[] = {"input",
                                    "null",
                                    "delimiter",
                                    "text",
                                    "colsep",
                                    "csv",
                                    "header",
                                    "max-args",
                                    "max-replace-args",
                                    "max-lines",
                                    "many",
                                    "context-replace",
                                    "xargs",
                                    "max-chars",
                                    "pipe",
                                    "block",
                                    "recstart",
                                    "recend",
                                    "link",
                                    "trim",
                                    "no-run-if-empty",
                                    "eof",
                                    "shuf",
                                    "arg-sep",
                                    "arg-file-sep",
                                    "input-format",
                                    "bind",
                                    NULL};
static const char *const records[] = {
    "from",         "to",           "errors-to",     "order",   "from-format", "to-format",
    "to-partition", "tombstones",   "filter",        "max-age", "start",       "schema",
    "dead-headers", "commit-every", "position-file", "as",      "share",       NULL};
static const char *const command[] = {"sh",    "dry-run", "workdir", "replace", "raw", "command-output",
                                      "tasks", "exec",    "serve",   NULL};
static const char *const at_once[] = {"concurrency", "delay", "rate",  "memfree", "load",
                                      "nice",        "slots", "batch", "within",  NULL};
static const char *const failures[] = {"retries",      "timeout",     "timeout-percent", "halt",     "fail-fast",
                                       "backoff",      "final-exit",  "grace",           "resume",   "resume-failed",
                                       "retry-failed", "retry-group", "retry-items",     "deadline", NULL};
static const char *const output[] = {"output-format", "records",     "unordered", "keep-order", "tag",
                                     "tagstring",     "line-buffer", "ungroup",   "results",    "joblog",
                                     "progress",      "quiet",       "verbose",   NULL};
static const char *const isolation[] = {"local", "memory", "cpus", "cpu-time", "container", NULL};
static const char *const fleet[] = {"brokers",    "redis",    "redis-password-file",
                                    "namespace",  "queue",    "job-id",
                                    "properties", "property", "wait",
                                    "detach",     "config",   NULL};

const option_group_t option_groups[] = {
    {"records", "From and to", records},   {"input", "Input", input},
    {"command", "What runs", command},     {"concurrency", "How many at once", at_once},
    {"failures", "Failures", failures},    {"output", "Output", output},
    {"isolation", "Isolation", isolation}, {"fleet", "Fleet", fleet},
    {NULL, "Other options", NULL},         {NULL, NULL, NULL},
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

bool shows_option(const command_t *of, const fanmap_option_info_t *info)
{
    static const struct {
        const char *command, *options;
    } refused[] = {{"submit", " local "},
                   {"stream",
                    " local fail-fast halt deadline retry-failed retry-group retry-items bind sequences ahead "
                    "final-exit spill wait "}};
    char name[64];
    snprintf(name, sizeof name, " %s ", info->name);
    bool is_refused = false;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        is_refused |= strcmp(of->name, refused[i].command) == 0 && strstr(refused[i].options, name) != NULL;
    return !is_refused && takes_option(of, info);
}

static size_t show_named(const char *name, const command_t *of, void (*show)(const fanmap_option_info_t *))
{
    size_t n, shown = 0;
    const fanmap_option_info_t *table = fanmap_option_table(&n);
    for (size_t i = 0; i < n; i++) {
        bool is_meant = name ? strcmp(table[i].name, name) == 0 : !group_of(&table[i])->name;
        if (!is_meant || !shows_option(of, &table[i]))
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
