/* fanmap dead: lists dead letters, shows one whole, and replays them. */
#include <inttypes.h>

#include "cli/admin.h"
#include "cli/commands.h"

enum { SHOWN_BYTES = 4096 };

static void print_hex(const void *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        printf("%02x", ((const unsigned char *)bytes)[i]);
}

DEFINE_PRINT_JSON(print_json, fanmap_dead_t, view_dead)

static void print_row(void *arg, const fanmap_dead_t *letter)
{
    char key[80], when[TIME_TEXT_MAX], origin[240], reason[200];
    bool *is_begun = arg;
    if (!*is_begun)
        printf("%-8s %-19s %-36s %-24s %8s  %s\n", "LETTER", "BURIED", "STOOD AT", "KEY", "BYTES", "REASON");
    *is_begun = true;
    print_time(when, sizeof when, letter->at_ms);
    view_bytes(key, sizeof key, letter->key, letter->key_len);
    view_bytes(reason, sizeof reason, letter->reason, strlen(letter->reason));
    snprintf(origin, sizeof origin, "%s/%d/%" PRId64, letter->topic[0] ? letter->topic : "?", letter->origin_partition,
             letter->origin_offset);
    printf("%-8" PRId64 " %-19s %-36s %-24s %8zu  %s\n", letter->offset, when, origin, key, letter->value_len, reason);
}

/* Everything, the value in hex. */
static void print_whole(void *arg, const fanmap_dead_t *letter)
{
    char text[SHOWN_BYTES], when[TIME_TEXT_MAX];
    (void)arg;
    print_time(when, sizeof when, letter->at_ms);
    view_bytes(text, sizeof text, letter->reason, strlen(letter->reason));
    printf("letter     %" PRId64 ", buried %s%s%s: %s\n", letter->offset, when, letter->stage[0] ? " by " : "",
           letter->stage, text);
    view_bytes(text, sizeof text, letter->topic, strlen(letter->topic));
    printf("stood at   topic %s, partition %d, offset %" PRId64 "\n", text, letter->origin_partition,
           letter->origin_offset);
    view_bytes(text, sizeof text, letter->key, letter->key_len);
    printf("key        %s\n", text);
    if (letter->is_item)
        printf("item       %" PRIu64 " of job %s\n", letter->index, letter->job);
    printf("value      %zu bytes: ", letter->value_len);
    print_hex(letter->value, letter->value_len);
    putchar('\n');
}

static void complain_of_refused(void *arg, const fanmap_dead_t *letter, const char *why)
{
    ++*(uint64_t *)arg;
    complain("letter %" PRId64 " stays: %s", letter->offset, why);
}

static int replay(arguments_t *arguments)
{
    fanmap_t *f;
    fanmap_error_t err;
    uint64_t n = 0, refused = 0;
    int status = admin_open(arguments, &f);
    if (status != EXIT_ALL_WELL)
        return status;
    int r = fanmap_dead_replay(f, arguments->options, ADMIN_TIMEOUT_MS, complain_of_refused, &refused, &n, &err);
    if (r == FANMAP_OK)
        printf("%" PRIu64 " put back, %" PRIu64 " left\n", n, refused);
    status = admin_close(f, r, &err);
    return status == EXIT_ALL_WELL && refused > 0 ? EXIT_SOME_FAILED : status;
}

/* The words after `dead`: what to do, and a letter's number, which becomes an option. */
static int check_words(arguments_t *arguments)
{
    const char *what = arguments->positionals_n > 0 ? arguments->positionals[0] : "";
    bool is_list = strcmp(what, "list") == 0, is_show = strcmp(what, "show") == 0,
         is_replay = strcmp(what, "replay") == 0;
    if (!is_list && !is_show && !is_replay)
        return fail_with(EXIT_USAGE, "dead what? fanmap dead list | show N | replay N | replay --all");
    if (arguments->positionals_n > 1 && set_option(arguments, "letter", arguments->positionals[1]) != EXIT_ALL_WELL)
        return EXIT_USAGE;
    bool is_one = option_text(arguments, "letter") != NULL;
    if (is_one && option_text(arguments, "stream"))
        return fail_with(EXIT_USAGE, "errors of a stream have no numbers: list them, or replay what was not replayed");
    if (is_show && !is_one)
        return fail_with(EXIT_USAGE, "which letter? fanmap dead list shows their numbers");
    if (is_replay && !is_one && !option_text(arguments, "job") && !option_text(arguments, "stream") &&
        !is_switch_set(arguments, "all"))
        return fail_with(EXIT_USAGE, "replay which? a letter's number, --job JOB, --stream ID, or --all");
    return EXIT_ALL_WELL;
}

static int print_letters(fanmap_t *f, arguments_t *arguments, fanmap_error_t *err)
{
    bool is_begun = false, is_show = strcmp(arguments->positionals[0], "show") == 0;
    fanmap_dead_fn print = is_switch_set(arguments, "json") ? print_json : is_show ? print_whole : print_row;
    return fanmap_dead(f, arguments->options, ADMIN_TIMEOUT_MS, print, &is_begun, err);
}

int run_dead(arguments_t *arguments)
{
    int status = check_words(arguments);
    if (status != EXIT_ALL_WELL)
        return status;
    return strcmp(arguments->positionals[0], "replay") == 0 ? replay(arguments) : admin_ask(arguments, print_letters);
}
