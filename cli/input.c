#include "cli/input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { READ_BYTES = 256 * 1024 };

static int choose_format(input_t *input, const arguments_t *arguments, const char *standard_format)
{
    const char *format = option_text(arguments, "input-format");
    if (is_switch_set(arguments, "null"))
        format = "nul";
    if (!format)
        format = standard_format;
    input->delimiter = strcmp(format, "nul") == 0 ? '\0' : '\n';
    input->format = strcmp(format, "jsonl") == 0 ? FANMAP_JSON : FANMAP_TEXT;
    return EXIT_ALL_WELL;
}

static int open_file(input_t *input, const arguments_t *arguments)
{
    const char *path = option_text(arguments, "input");
    if (fanmap_options_get(arguments->options, "input", 1)) {
        complain("zipping several -i is not built yet");
        return EXIT_USAGE;
    }
    if (!path || strcmp(path, "-") == 0) {
        input->fd = STDIN_FILENO;
        input->name = "stdin";
        return EXIT_ALL_WELL;
    }
    input->name = path;
    input->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (input->fd < 0) {
        complain("%s: %s", path, strerror(errno));
        return EXIT_IO;
    }
    return EXIT_ALL_WELL;
}

int input_open(input_t *input, const arguments_t *arguments, const char *standard_format)
{
    *input = (input_t){.fd = -1};
    choose_format(input, arguments, standard_format);
    if (arguments->has_values) {
        input->values = arguments->values;
        input->values_n = arguments->values_n;
        input->name = "argument";
        return EXIT_ALL_WELL;
    }
    input->item_max = fanmap_options_number(arguments->options, "item-max");
    return open_file(input, arguments);
}

void input_close(input_t *input)
{
    if (input->fd > STDERR_FILENO)
        close(input->fd);
    input->fd = -1;
    free(input->bytes);
    input->bytes = NULL;
}

static input_state_t peek_value(input_t *input, const char **ret_item, size_t *ret_len)
{
    if (input->values_at >= input->values_n)
        return INPUT_END;
    *ret_item = input->values[input->values_at];
    *ret_len = strlen(*ret_item);
    return INPUT_ITEM;
}

/* Drops what belongs to an item that was given cut. */
static void skip_rest(input_t *input)
{
    const char *begin = input->bytes + input->at;
    const char *end = memchr(begin, input->delimiter, input->len - input->at);
    input->at = end ? (size_t)(end - input->bytes) + 1 : input->len;
    input->is_cutting = !end;
    input->scanned = 0;
}

input_state_t input_peek(input_t *input, const char **ret_item, size_t *ret_len)
{
    if (input->values)
        return peek_value(input, ret_item, ret_len);
    if (input->is_cutting && input->at < input->len)
        skip_rest(input);
    size_t left = input->len - input->at;
    const char *begin = input->bytes + input->at;
    const char *end =
        left > input->scanned ? memchr(begin + input->scanned, input->delimiter, left - input->scanned) : NULL;
    input->scanned = end ? (size_t)(end - begin) : left;
    if (!end && left <= input->item_max) {
        if (!input->is_at_end)
            return INPUT_WANTS_READ;
        if (left == 0)
            return INPUT_END;
    }
    *ret_item = begin;
    *ret_len = end ? (size_t)(end - begin) : left;
    return INPUT_ITEM;
}

void input_taken(input_t *input)
{
    if (input->values) {
        input->values_at++;
        return;
    }
    size_t left = input->len - input->at;
    bool has_end = input->scanned < left;
    input->is_cutting = !has_end && !input->is_at_end;
    input->at += has_end ? input->scanned + 1 : left;
    input->scanned = 0;
}

static int make_room(input_t *input)
{
    if (input->at > 0) {
        memmove(input->bytes, input->bytes + input->at, input->len - input->at);
        input->len -= input->at;
        input->at = 0;
    }
    if (input->cap - input->len >= READ_BYTES)
        return 0;
    size_t cap = input->cap ? 2 * input->cap : 2 * READ_BYTES;
    char *bytes = realloc(input->bytes, cap);
    if (!bytes)
        return ENOMEM;
    input->bytes = bytes;
    input->cap = cap;
    return 0;
}

int input_read(input_t *input)
{
    int failed = make_room(input);
    if (failed)
        return failed;
    ssize_t n = read(input->fd, input->bytes + input->len, READ_BYTES);
    if (n < 0)
        return errno == EINTR || errno == EAGAIN ? 0 : errno;
    input->is_at_end = n == 0;
    input->len += (size_t)n;
    return 0;
}
