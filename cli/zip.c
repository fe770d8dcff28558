/* Several inputs side by side, or each with each: an item is an array with one part of each. */
#include "cli/zip.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

static int open_files(zip_t *zip, const arguments_t *arguments, const input_rules_t *rules)
{
    const char *path = option_text(arguments, "input");
    int stdins = 0, status = EXIT_ALL_WELL;
    do {
        if (zip->n == SEQUENCES_MAX)
            return fail_with(EXIT_USAGE, "-i more than %d times", SEQUENCES_MAX);
        status = input_open_file(&zip->at[zip->n], path, rules);
        stdins += zip->at[zip->n++].fd == 0;
        path = fanmap_options_get(arguments->options, "input", (size_t)zip->n);
    } while (path && status == EXIT_ALL_WELL);
    if (stdins > 1)
        return fail_with(EXIT_USAGE, "stdin can be one of the zipped inputs, not several");
    return status;
}

static void name_source(zip_t *zip)
{
    const input_t *first = &zip->at[0];
    const char *word = first->rules.block.is_on                ? ": block"
                       : first->rules.format == FANMAP_WRAPPED ? ": object"
                       : first->rules.delimiter == '\0'        ? ": record"
                                                               : ": line";
    if (zip->n > 1)
        snprintf(zip->source, sizeof zip->source, "zipped inputs: item");
    else
        snprintf(zip->source, sizeof zip->source, "%.500s%s", first->name, first->values ? "" : word);
}

static int open_lists(zip_t *zip, const arguments_t *arguments, const input_rules_t *rules)
{
    int status = EXIT_ALL_WELL, stdins = 0;
    for (; zip->n < arguments->sequences_n && status == EXIT_ALL_WELL; zip->n++) {
        const values_t *list = &arguments->sequences[zip->n];
        if (list->path)
            status = input_open_file(&zip->at[zip->n], list->path, rules);
        else
            input_open_values(&zip->at[zip->n], list, rules);
        stdins += list->path && zip->at[zip->n].fd == 0;
        if (!list->is_linked)
            zip->axes[zip->axes_n++] = (axis_t){.from = zip->n};
        zip->axes[zip->axes_n - 1].n++;
    }
    if (stdins > 1)
        return fail_with(EXIT_USAGE, "stdin can be one of the lists, not several");
    return status;
}

int zip_open(zip_t *zip, const arguments_t *arguments, const char *standard_format)
{
    input_rules_t rules;
    zip->n = zip->axes_n = 0;
    zip->taken = 0;
    int status = input_rules(arguments, standard_format, &rules);
    if (status == EXIT_ALL_WELL)
        status = arguments->sequences_n > 0 ? open_lists(zip, arguments, &rules) : open_files(zip, arguments, &rules);
    if (status == EXIT_ALL_WELL && rules.block.is_on && (zip->n > 1 || zip->at[0].values)) {
        complain("--pipe cuts one stream into blocks: a file, or stdin");
        status = EXIT_USAGE;
    }
    if (arguments->sequences_n == 0)
        zip->axes[zip->axes_n++] = (axis_t){.n = zip->n};
    name_source(zip);
    return status;
}

static void axis_free(axis_t *axis)
{
    for (size_t i = 0; i < axis->kept_n * (size_t)axis->n; i++)
        free((void *)(uintptr_t)axis->kept[i].bytes);
    free(axis->kept);
}

void zip_close(zip_t *zip)
{
    for (int i = 0; i < zip->n; i++)
        input_close(&zip->at[i]);
    for (int i = 0; i < zip->axes_n; i++)
        axis_free(&zip->axes[i]);
    zip->n = zip->axes_n = 0;
}

static const char *name_of(const zip_t *zip, int i, char *room, size_t cap)
{
    snprintf(room, cap, zip->at[i].values ? "sequence %d of :::" : "sequence %d (%.150s)", i + 1, zip->at[i].name);
    return room;
}

static zip_state_t fail_broken(const zip_t *zip, int i, char *why, size_t cap)
{
    snprintf(why, cap, "%.300s: not msgpack at byte %" PRIu64, zip->at[i].name, input_broken_at(&zip->at[i]));
    return ZIP_FAILED;
}

static zip_state_t fail_unequal(const zip_t *zip, uint64_t taken, int ended, int other, char *why, size_t cap)
{
    char shorter[200], longer[200];
    snprintf(why, cap, "zipped inputs of unequal length: %s is the shorter one and has %" PRIu64 " items, %s has more",
             name_of(zip, ended, shorter, sizeof shorter), taken, name_of(zip, other, longer, sizeof longer));
    return ZIP_FAILED;
}

/* The next item of inputs that are zipped. */
static zip_state_t peek_axis(zip_t *zip, const axis_t *axis, fanmap_part_t *parts, char *why, size_t cap)
{
    int ended = -1, has_item = -1;
    bool wants_read = false;
    for (int i = axis->from; i < axis->from + axis->n; i++) {
        const char *item = NULL;
        size_t len = 0;
        input_state_t state = input_peek(&zip->at[i], &item, &len);
        if (state == INPUT_BROKEN)
            return fail_broken(zip, i, why, cap);
        wants_read |= state == INPUT_WANTS_READ;
        if (state == INPUT_END && ended < 0)
            ended = i;
        if (state == INPUT_ITEM && has_item < 0)
            has_item = i;
        parts[i] = (fanmap_part_t){item, len};
    }
    if (ended >= 0 && has_item >= 0)
        return fail_unequal(zip, axis == zip->axes ? zip->taken : axis->kept_n, ended, has_item, why, cap);
    return wants_read ? ZIP_WANTS_READ : ended >= 0 ? ZIP_END : ZIP_ITEM;
}

static void take_axis(zip_t *zip, const axis_t *axis)
{
    for (int i = axis->from; i < axis->from + axis->n; i++)
        input_taken(&zip->at[i]);
}

/* False: no memory. */
static bool keep_row(axis_t *axis, const fanmap_part_t *parts)
{
    size_t n = (size_t)axis->n, at = axis->kept_n * n;
    if (!array_has_room(axis->kept, at + n - 1, axis->cap, 64 * n))
        return false;
    for (size_t i = 0; i < n; i++) {
        char *bytes = malloc(parts[i].len + 1);
        if (!bytes) {
            while (i-- > 0)
                free((void *)(uintptr_t)axis->kept[at + i].bytes);
            return false;
        }
        memcpy(bytes, parts[i].bytes, parts[i].len);
        axis->kept[at + i] = (fanmap_part_t){bytes, parts[i].len};
    }
    axis->kept_n++;
    return true;
}

/* Behind the first axis: what is not kept yet is read; what was gone through begins again, and the one before it moves
 * on. */
static zip_state_t turn_axis(zip_t *zip, int number, fanmap_part_t *parts, char *why, size_t cap)
{
    axis_t *axis = &zip->axes[number], *before = axis - 1;
    if (axis->at < axis->kept_n)
        return ZIP_ITEM;
    zip_state_t state = axis->is_whole ? ZIP_END : peek_axis(zip, axis, parts, why, cap);
    if (state == ZIP_ITEM) {
        if (!keep_row(axis, parts + axis->from)) {
            snprintf(why, cap, "out of memory for list %d of the product", number + 1);
            return ZIP_FAILED;
        }
        take_axis(zip, axis);
    }
    if (state != ZIP_END)
        return state;
    axis->is_whole = true;
    if (axis->kept_n == 0)
        return ZIP_END;
    axis->at = 0;
    if (number == 1)
        take_axis(zip, before);
    else
        before->at++;
    return ZIP_ITEM;
}

zip_state_t zip_peek(zip_t *zip, fanmap_part_t *parts, char *why, size_t cap)
{
    zip_state_t state = ZIP_ITEM;
    for (int i = zip->axes_n - 1; i > 0 && state == ZIP_ITEM; i--)
        state = turn_axis(zip, i, parts, why, cap);
    if (state == ZIP_ITEM)
        state = peek_axis(zip, &zip->axes[0], parts, why, cap);
    for (int i = 1; i < zip->axes_n && state == ZIP_ITEM; i++) {
        const axis_t *axis = &zip->axes[i];
        memcpy(parts + axis->from, axis->kept + axis->at * (size_t)axis->n, (size_t)axis->n * sizeof *parts);
    }
    return state;
}

void zip_taken(zip_t *zip)
{
    if (zip->axes_n > 1)
        zip->axes[zip->axes_n - 1].at++;
    else
        take_axis(zip, &zip->axes[0]);
    zip->taken++;
}

int zip_poll(zip_t *zip, struct pollfd *fds)
{
    int n = 0;
    for (int i = 0; i < zip->n; i++) {
        const char *item;
        size_t len;
        if (input_peek(&zip->at[i], &item, &len) == INPUT_WANTS_READ)
            fds[n++] = (struct pollfd){zip->at[i].fd, POLLIN, 0};
    }
    return n;
}

int zip_read(zip_t *zip, const struct pollfd *fds, int n, const char **ret_name)
{
    for (int k = 0; k < n; k++) {
        int i = 0;
        while (zip->at[i].fd != fds[k].fd)
            i++;
        *ret_name = zip->at[i].name;
        int error = fds[k].revents ? input_read(&zip->at[i]) : 0;
        if (error)
            return error;
    }
    return 0;
}
