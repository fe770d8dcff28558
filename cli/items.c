#include "cli/items.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

/* ---- opening ---- */

static int check_rules(const arguments_t *arguments, const items_t *items)
{
    const char *header = option_text(arguments, "header");
    if (items->zip.n > 0 && items->zip.at[0].rules.format == FANMAP_WRAPPED && (cells_change(&items->cells) || header))
        return fail_with(EXIT_USAGE, "--colsep, --csv, --header and --trim are for text, not for msgpack");
    return EXIT_ALL_WELL;
}

static size_t processors(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (size_t)n : 1;
}

/* What the system takes of a command line beside the environment, and what an attempt adds to that. */
static size_t exec_max(void)
{
    enum { OWN_BYTES = 16 * 1024 };
    long all = sysconf(_SC_ARG_MAX);
    size_t taken = OWN_BYTES;
    for (char **variable = environ; *variable; variable++)
        taken += strlen(*variable) + 1 + sizeof *variable;
    return all > 0 && (size_t)all > 2 * taken ? (size_t)all - taken : OWN_BYTES;
}

/* What has no command is bounded by the size of an item, in which each part has a head. */
static void open_bundle(items_t *items, const arguments_t *arguments)
{
    enum { HEAD_BYTES = 5, LINE_BYTES = 128 * 1024 };
    const fanmap_options_t *o = arguments->options;
    size_t n = (size_t)fanmap_options_number(o, "max-args"),
           named = (size_t)fanmap_options_number(o, "max-replace-args"),
           lines = (size_t)fanmap_options_number(o, "max-lines"), line = (size_t)fanmap_options_number(o, "max-chars"),
           item_max = (size_t)fanmap_options_number(o, "item-max"),
           at_once = (size_t)fanmap_options_number(o, "concurrency");
    bool is_context = is_switch_set(arguments, "context-replace"),
         is_divided = is_context || is_switch_set(arguments, "many"),
         is_many = is_divided || is_switch_set(arguments, "xargs");
    if (line == 0)
        line = arguments_have_command(arguments) ? LINE_BYTES : item_max;
    items->is_repeated = is_context || named > 0 || lines > 0;
    items->bundle = (bundle_t){.is_on = (is_many || n > 0 || items->is_repeated) && !is_switch_set(arguments, "pipe"),
                               .items_max = named > 0 ? named
                                            : n > 0   ? n
                                                      : lines, /* as parallel: -N before -n */
                               .bytes_max = line < item_max ? line : item_max,
                               .copies = 1,
                               .around = HEAD_BYTES,
                               .exec_max = arguments_have_command(arguments) ? exec_max() : 0,
                               .ways = !is_divided   ? 0
                                       : at_once > 0 ? at_once
                                                     : processors()};
}

int items_open(items_t *items, arguments_t *arguments, const char *standard_format)
{
    *items = (items_t){.skips_blank = is_switch_set(arguments, "no-run-if-empty"),
                       .shuffle = {.is_on = is_switch_set(arguments, "shuf")}};
    int status = cells_open(&items->cells, arguments);
    if (status == EXIT_ALL_WELL)
        status = zip_open(&items->zip, arguments, standard_format);
    if (status == EXIT_ALL_WELL)
        status = check_rules(arguments, items);
    if (status == EXIT_ALL_WELL && option_text(arguments, "header"))
        status = items_take_header(items, option_text(arguments, "header"));
    open_bundle(items, arguments);
    bool is_wide = items->zip.n > 1 || items->cells.is_split;
    items->is_row = items->names && is_wide && !items->bundle.is_on && !arguments_have_command(arguments);
    items->has_sequences = !items->is_row && items->zip.n > 1 && !items->cells.is_split && !items->bundle.is_on;
    items->is_array = items->has_sequences || items->is_row || items->cells.is_split || items->bundle.is_on;
    return status;
}

void items_close(items_t *items)
{
    for (char **name = items->names; name && *name; name++)
        free(*name);
    free(items->names);
    for (char **word = items->words; word && *word; word++)
        free(*word);
    free(items->words);
    part_list_free(&items->parts);
    shuffle_free(&items->shuffle);
    bundle_free(&items->bundle);
    buf_free(&items->head);
    buf_free(&items->block);
    cells_close(&items->cells);
    zip_close(&items->zip);
    *items = (items_t){.taken = 0};
}

/* ---- items ---- */

static bool is_blank(const fanmap_part_t *parts, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const char *bytes = parts[i].bytes;
        for (size_t k = 0; k < parts[i].len; k++)
            if (!isspace((unsigned char)bytes[k]))
                return false;
    }
    return true;
}

static zip_state_t peek_inputs(items_t *items, fanmap_part_t *parts, char *why, size_t cap)
{
    zip_state_t state;
    while ((state = zip_peek(&items->zip, parts, why, cap)) == ZIP_ITEM && items->skips_blank &&
           is_blank(parts, (size_t)items->zip.n))
        zip_taken(&items->zip);
    return state;
}

static bool take_apart(items_t *items, const fanmap_part_t *parts, size_t n)
{
    items->parts.n = 0;
    for (size_t i = 0; i < n && !cells_change(&items->cells); i++)
        if (!part_list_add(&items->parts, parts[i]))
            return false;
    return !cells_change(&items->cells) || cells_split(&items->cells, parts, n, &items->parts);
}

static bool put_head(items_t *items, fanmap_part_t *block)
{
    buf_clear(&items->block);
    buf_append(&items->block, items->head.data, items->head.len);
    buf_append(&items->block, block->bytes, block->len);
    *block = (fanmap_part_t){items->block.data, items->block.len};
    return !items->block.failed;
}

static const char *const *names_of(const items_t *items)
{
    return items->is_row ? (const char *const *)items->names : NULL;
}

static zip_state_t peek_one(items_t *items, item_t *ret, char *why, size_t cap)
{
    fanmap_part_t parts[SEQUENCES_MAX];
    zip_state_t state = peek_inputs(items, parts, why, cap);
    if (state != ZIP_ITEM)
        return state;
    bool is_block = items->zip.at[0].rules.block.is_on;
    if (is_block && items->head.len > 0 && !put_head(items, &parts[0])) {
        snprintf(why, cap, "out of memory for a block");
        return ZIP_FAILED;
    }
    if (!take_apart(items, parts, (size_t)items->zip.n) || (items->is_row && !items_name_parts(items))) {
        snprintf(why, cap, "out of memory for the parts of an item");
        return ZIP_FAILED;
    }
    *ret = (item_t){
        items->zip.at[0].rules.format, items->parts.at, items->parts.n, items->is_array, is_block, names_of(items)};
    return ZIP_ITEM;
}

/* Everything is read before anything goes out. */
static zip_state_t fill_shuffle(items_t *items, char *why, size_t cap)
{
    item_t item;
    zip_state_t state = peek_one(items, &item, why, cap);
    shuffle_put_t put = SHUFFLE_PUT;
    items->shuffle.is_whole = state == ZIP_END;
    if (state != ZIP_ITEM)
        return state;
    put = shuffle_put(&items->shuffle, item.format, item.parts, item.n);
    zip_taken(&items->zip);
    if (put == SHUFFLE_FULL)
        snprintf(why, cap, "--shuf holds the items that it shuffles, up to %d MiB: these are more", SHUFFLE_MIB_MAX);
    else if (put == SHUFFLE_NO_MEMORY)
        snprintf(why, cap, "out of memory for the items that are shuffled");
    return put == SHUFFLE_PUT ? ZIP_ITEM : ZIP_FAILED;
}

static zip_state_t peek_next(items_t *items, item_t *ret, char *why, size_t cap)
{
    shuffle_t *shuffle = &items->shuffle;
    zip_state_t state = ZIP_ITEM;
    if (!shuffle->is_on)
        return peek_one(items, ret, why, cap);
    while (!shuffle->is_whole && state == ZIP_ITEM)
        state = fill_shuffle(items, why, cap);
    if (!shuffle->is_whole)
        return state;
    const kept_item_t *item = shuffle_next(shuffle);
    if (!item)
        return ZIP_END;
    *ret = (item_t){item->format,   item->parts, item->n, items->is_array, items->zip.at[0].rules.block.is_on,
                    names_of(items)};
    return ZIP_ITEM;
}

static void take_next(items_t *items)
{
    if (items->shuffle.is_on)
        shuffle_taken(&items->shuffle);
    else
        zip_taken(&items->zip);
}

/* One more item, or the end, for the next bundle. */
static zip_state_t fill_bundle(items_t *items, item_t *ret, char *why, size_t cap)
{
    zip_state_t state = peek_next(items, ret, why, cap);
    if (state == ZIP_END && items->bundle.items > 0) {
        bundle_end(&items->bundle);
        return ZIP_ITEM;
    }
    if (state != ZIP_ITEM || !bundle_has_room(&items->bundle, ret->parts, ret->n))
        return state;
    if (!bundle_put(&items->bundle, ret->format, ret->parts, ret->n)) {
        snprintf(why, cap, "out of memory for the items that go together");
        return ZIP_FAILED;
    }
    take_next(items);
    return state;
}

zip_state_t items_peek(items_t *items, item_t *ret, char *why, size_t cap)
{
    bundle_t *bundle = &items->bundle;
    zip_state_t state = ZIP_ITEM;
    bool has_failed = false;
    if (!bundle->is_on)
        return peek_next(items, ret, why, cap);
    while (state == ZIP_ITEM && !bundle_is_ready(bundle, &has_failed) && !has_failed)
        state = fill_bundle(items, ret, why, cap);
    if (has_failed) {
        snprintf(why, cap, "out of memory for the items that go together");
        return ZIP_FAILED;
    }
    *ret = (item_t){items->zip.at[0].rules.format, bundle->parts.at, bundle->parts.n, true, false, NULL};
    return state;
}

void items_taken(items_t *items)
{
    if (items->bundle.is_on)
        bundle_taken(&items->bundle);
    else
        take_next(items);
    items->taken++;
}
