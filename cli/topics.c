/* fanmap topics: lists, makes and cleans topics, and prints the rights that they need. */
#include <inttypes.h>

#include "cli/admin.h"
#include "cli/commands.h"

static void print_line(void *arg, const char *line)
{
    (void)arg;
    puts(line);
}

DEFINE_PRINT_JSON(print_json, fanmap_topic_info_t, view_topic)

static void print_retention(char *ret, size_t cap, const fanmap_topic_info_t *topic)
{
    if (!topic->has_config)
        snprintf(ret, cap, "?");
    else if (topic->compacted)
        snprintf(ret, cap, "compacted");
    else if (topic->retention_ms < 0)
        snprintf(ret, cap, "for ever");
    else if (topic->retention_ms < 3600000)
        snprintf(ret, cap, "%" PRId64 "s", topic->retention_ms / 1000);
    else
        snprintf(ret, cap, "%" PRId64 "h", topic->retention_ms / 3600000);
}

static void print_row(void *arg, const fanmap_topic_info_t *topic)
{
    char retention[32] = "-", partitions[16] = "-";
    bool *is_begun = arg;
    if (!*is_begun)
        printf("%-32s %10s %-10s %-32s %s\n", "TOPIC", "PARTITIONS", "RETENTION", "GROUP", "PROBLEM");
    *is_begun = true;
    if (topic->exists) {
        print_retention(retention, sizeof retention, topic);
        snprintf(partitions, sizeof partitions, "%u", topic->partitions);
    }
    printf("%-32s %10s %-10s %-32s %s\n", topic->name, partitions, retention, topic->group[0] ? topic->group : "-",
           topic->problem[0] ? topic->problem : "-");
}

static int clean_topics(fanmap_t *f, arguments_t *arguments, fanmap_error_t *err)
{
    fanmap_cleaned_t cleaned = {0};
    int r = fanmap_clean(f, arguments->options, ADMIN_TIMEOUT_MS, &cleaned, sizeof cleaned, err);
    printf("%" PRIu64 " jobs forgotten, %" PRIu64 " records deleted, %" PRIu64 " topics deleted\n",
           cleaned.jobs_forgotten, cleaned.records_deleted, cleaned.topics_deleted);
    return r;
}

static int list_topics(fanmap_t *f, arguments_t *arguments, fanmap_error_t *err)
{
    bool is_begun = false;
    return fanmap_topics(f, arguments->options, ADMIN_TIMEOUT_MS,
                         is_switch_set(arguments, "json") ? print_json : print_row, &is_begun, err);
}

static int create_topics(fanmap_t *f, arguments_t *arguments, fanmap_error_t *err)
{
    int r = fanmap_topics_create(f, arguments->options, ADMIN_TIMEOUT_MS, err);
    return r == FANMAP_OK ? list_topics(f, arguments, err) : r;
}

int run_topics(arguments_t *arguments)
{
    fanmap_error_t err;
    bool creates = is_switch_set(arguments, "create"), cleans = is_switch_set(arguments, "clean"),
         prints_acls = is_switch_set(arguments, "print-acls");
    if (creates + cleans + prints_acls > 1)
        return fail_with(EXIT_USAGE, "topics does one thing at a time: --create, --clean or --print-acls");
    if (prints_acls)
        return fanmap_acls(arguments->options, print_line, NULL, &err) == FANMAP_OK ? EXIT_ALL_WELL
                                                                                    : complain_error(&err);
    return admin_ask(arguments, cleans ? clean_topics : creates ? create_topics : list_topics);
}
