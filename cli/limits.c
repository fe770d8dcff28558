#include "cli/limits.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* What is under way embedded is held in memory. */
enum {
    BUNDLES_AHEAD = 1024,
    BLOCKS_AHEAD_MIN = 16,
    HELD_BYTES = 64 << 20,
    VALUE_BYTES = 64 << 20,
    RECORD_BYTES = 16 << 20
};

/* Nobody asked for another. */
static bool is_standard(const arguments_t *arguments, const char *key)
{
    size_t n;
    const fanmap_option_info_t *table = fanmap_option_table(&n);
    const char *value = option_text(arguments, key);
    for (size_t i = 0; i < n; i++)
        if (strcmp(table[i].name, key) == 0)
            return !value || (table[i].standard && strcmp(table[i].standard, value) == 0);
    return false;
}

static int set_number(arguments_t *arguments, const char *key, uint64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, value);
    return is_standard(arguments, key) ? set_option(arguments, key, text) : EXIT_ALL_WELL;
}

int limits_of_bundles(arguments_t *arguments)
{
    return is_switch_set(arguments, "local") ? set_number(arguments, "ahead", BUNDLES_AHEAD) : EXIT_ALL_WELL;
}

/* A block is as long as the longest record in it, and what a command says of it may be longer. On a fleet the topics are
 * what they are: there a block is what was asked for. */
int limits_of_blocks(arguments_t *arguments)
{
    uint64_t block = fanmap_options_number(arguments->options, "block"), ahead = HELD_BYTES / block,
             at_once = fanmap_options_number(arguments->options, "concurrency");
    if (!is_switch_set(arguments, "local"))
        return block > fanmap_options_number(arguments->options, "item-max") ? set_number(arguments, "item-max", block)
                                                                             : EXIT_ALL_WELL;
    int status = set_number(arguments, "item-max", block > RECORD_BYTES ? block : RECORD_BYTES);
    if (status == EXIT_ALL_WELL)
        status = set_number(arguments, "value-max", VALUE_BYTES);
    ahead = ahead > BUNDLES_AHEAD ? BUNDLES_AHEAD : ahead < BLOCKS_AHEAD_MIN ? BLOCKS_AHEAD_MIN : ahead;
    return status == EXIT_ALL_WELL ? set_number(arguments, "ahead", ahead > 2 * at_once ? ahead : 2 * at_once) : status;
}
