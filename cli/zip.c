/* Several inputs side by side: each item is an array with one part of each. */
#include "cli/zip.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static int open_files(zip_t *zip, const arguments_t *arguments, const char *format)
{
    size_t item_max = (size_t)fanmap_options_number(arguments->options, "item-max");
    const char *path = option_text(arguments, "input");
    int stdins = 0, status = EXIT_ALL_WELL;
    do {
        if (zip->n == SEQUENCES_MAX) {
            complain("-i more than %d times", SEQUENCES_MAX);
            return EXIT_USAGE;
        }
        status = input_open_file(&zip->at[zip->n], path, format, item_max);
        stdins += zip->at[zip->n++].fd == 0;
        path = fanmap_options_get(arguments->options, "input", (size_t)zip->n);
    } while (path && status == EXIT_ALL_WELL);
    if (stdins > 1) {
        complain("stdin can be one of the zipped inputs, not several");
        return EXIT_USAGE;
    }
    return status;
}

static void name_source(zip_t *zip)
{
    const input_t *first = &zip->at[0];
    const char *word = first->format == FANMAP_WRAPPED ? ": object" : first->delimiter == '\0' ? ": record" : ": line";
    if (zip->n > 1)
        snprintf(zip->source, sizeof zip->source, "zipped inputs: item");
    else
        snprintf(zip->source, sizeof zip->source, "%.500s%s", first->name, first->values ? "" : word);
}

int zip_open(zip_t *zip, const arguments_t *arguments, const char *standard_format)
{
    bool is_typed = arguments->sequences_n > 0 && strcmp(standard_format, "jsonl") == 0;
    const char *format = input_format(arguments, is_typed ? "words" : standard_format);
    int status = EXIT_ALL_WELL;
    zip->n = 0;
    zip->taken = 0;
    for (; zip->n < arguments->sequences_n; zip->n++)
        input_open_values(&zip->at[zip->n], &arguments->sequences[zip->n], format);
    if (zip->n == 0)
        status = open_files(zip, arguments, format);
    name_source(zip);
    return status;
}

void zip_close(zip_t *zip)
{
    for (int i = 0; i < zip->n; i++)
        input_close(&zip->at[i]);
    zip->n = 0;
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

static zip_state_t fail_unequal(const zip_t *zip, int ended, int other, char *why, size_t cap)
{
    char shorter[200], longer[200];
    snprintf(why, cap, "zipped inputs of unequal length: %s is the shorter one and has %" PRIu64 " items, %s has more",
             name_of(zip, ended, shorter, sizeof shorter), zip->taken, name_of(zip, other, longer, sizeof longer));
    return ZIP_FAILED;
}

zip_state_t zip_peek(zip_t *zip, fanmap_part_t *parts, char *why, size_t cap)
{
    int ended = -1, has_item = -1;
    bool wants_read = false;
    for (int i = 0; i < zip->n; i++) {
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
        return fail_unequal(zip, ended, has_item, why, cap);
    return wants_read ? ZIP_WANTS_READ : ended >= 0 ? ZIP_END : ZIP_ITEM;
}

void zip_taken(zip_t *zip)
{
    for (int i = 0; i < zip->n; i++)
        input_taken(&zip->at[i]);
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
