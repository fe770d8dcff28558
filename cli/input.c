/* Reads items from files, pipes or values given as arguments, in the format that --input-format names. */
#include "cli/input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"

enum { READ_BYTES = 256 * 1024 };

int input_open_file(input_t *input, const char *path, const input_rules_t *rules)
{
    *input = (input_t){.fd = -1, .rules = *rules};
    if (!path || strcmp(path, "-") == 0) {
        input->fd = STDIN_FILENO;
        input->name = "stdin";
        return EXIT_ALL_WELL;
    }
    input->name = path;
    input->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (input->fd < 0)
        return fail_with(EXIT_IO, "%s: %s", path, strerror(errno));
    return EXIT_ALL_WELL;
}

void input_open_values(input_t *input, const values_t *values, const input_rules_t *rules)
{
    *input = (input_t){.fd = -1, .rules = *rules, .values = values->at, .values_n = values->n, .name = "argument"};
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

static void drop_bytes(input_t *input, size_t n)
{
    input->at += n;
    input->dropped += n;
}

static const char *find_end(input_t *input, const char *begin, size_t len)
{
    if (input->rules.is_csv)
        return csv_end(begin, len, input->rules.separator, &input->csv);
    return memchr(begin, input->rules.delimiter, len);
}

/* Drops what belongs to an item that was given cut. */
static void skip_rest(input_t *input)
{
    const char *begin = input->bytes + input->at;
    const char *end = find_end(input, begin, input->len - input->at);
    drop_bytes(input, end ? (size_t)(end - begin) + 1 : input->len - input->at);
    input->is_cutting = !end;
    input->scanned = 0;
}

/* ---- msgpack ---- */

/* The end of an item that was given cut is looked for in what is left, which is dropped on the way. */
static input_state_t skip_object(input_t *input)
{
    size_t left = input->len - input->at;
    int r = fanmap_msgpack_scan(&input->scan, input->bytes + input->at, left);
    if (r == FANMAP_EUSAGE)
        return INPUT_BROKEN;
    size_t passed = input->scan.at < left ? (size_t)input->scan.at : left;
    drop_bytes(input, passed);
    input->scan.at -= passed;
    if (r == FANMAP_OK) {
        input->is_cutting = false;
        input->scan = (fanmap_scan_t){0};
        return INPUT_ITEM;
    }
    return input->is_at_end ? INPUT_BROKEN : INPUT_WANTS_READ;
}

static input_state_t peek_object(input_t *input, const char **ret_item, size_t *ret_len)
{
    if (input->is_cutting) {
        input_state_t state = skip_object(input);
        if (state != INPUT_ITEM)
            return state;
    }
    size_t left = input->len - input->at;
    if (left == 0 && input->is_at_end)
        return INPUT_END;
    int r = fanmap_msgpack_scan(&input->scan, input->bytes + input->at, left);
    if (r == FANMAP_EUSAGE || (r == FANMAP_AGAIN && input->is_at_end))
        return INPUT_BROKEN;
    if (r == FANMAP_AGAIN && left <= input->rules.item_max)
        return INPUT_WANTS_READ;
    *ret_item = input->bytes + input->at;
    *ret_len = r == FANMAP_OK ? (size_t)input->scan.at : left;
    return INPUT_ITEM;
}

static void object_taken(input_t *input)
{
    size_t left = input->len - input->at;
    bool is_whole = input->scan.objects == 0 && input->scan.at <= left;
    size_t passed = input->scan.at < left ? (size_t)input->scan.at : left;
    drop_bytes(input, passed);
    input->scan.at -= passed;
    input->is_cutting = !is_whole;
    if (is_whole)
        input->scan = (fanmap_scan_t){0};
}

uint64_t input_broken_at(const input_t *input)
{
    size_t left = input->len - input->at;
    return input->dropped + (input->scan.at < left ? input->scan.at : left);
}

/* ---- what ends with a delimiter ---- */

static input_state_t peek_line(input_t *input, const char **ret_item, size_t *ret_len)
{
    if (input->is_cutting && input->at < input->len)
        skip_rest(input);
    size_t left = input->len - input->at;
    const char *begin = input->bytes + input->at;
    const char *end = left > input->scanned ? find_end(input, begin + input->scanned, left - input->scanned) : NULL;
    input->scanned = end ? (size_t)(end - begin) : left;
    if (!end && left <= input->rules.item_max) {
        if (!input->is_at_end)
            return INPUT_WANTS_READ;
        if (left == 0)
            return INPUT_END;
    }
    *ret_item = begin;
    *ret_len = end ? (size_t)(end - begin) : left;
    return INPUT_ITEM;
}

static void line_taken(input_t *input)
{
    size_t left = input->len - input->at;
    bool has_end = input->scanned < left;
    input->is_cutting = !has_end && !input->is_at_end;
    drop_bytes(input, has_end ? input->scanned + 1 : left);
    input->scanned = 0;
}

/* ---- blocks ---- */

static input_state_t peek_block(input_t *input, const char **ret_item, size_t *ret_len)
{
    const block_rules_t *rules = &input->rules.block;
    *ret_item = "";
    *ret_len = 0;
    if (input->is_cutting) {
        size_t skipped;
        bool is_over = block_skip(rules, input->bytes + input->at, input->len - input->at, &skipped);
        drop_bytes(input, is_over || !input->is_at_end ? skipped : input->len - input->at);
        input->is_cutting = !is_over && !input->is_at_end;
        if (input->is_cutting)
            return INPUT_WANTS_READ;
    }
    size_t left = input->len - input->at;
    *ret_item = input->bytes + input->at;
    *ret_len = block_cut(rules, *ret_item, left, input->is_at_end, &input->block);
    if (*ret_len > 0)
        return INPUT_ITEM;
    if (left <= input->rules.item_max)
        return input->is_at_end ? INPUT_END : INPUT_WANTS_READ;
    *ret_len = left;
    return INPUT_ITEM;
}

static void block_taken(input_t *input)
{
    const char *item;
    size_t len, left = input->len - input->at;
    (void)peek_block(input, &item, &len);
    input->is_cutting = len == left && len > input->rules.item_max && !input->is_at_end;
    size_t kept = input->is_cutting ? input->rules.block.mark_len - 1 : 0; /* where the next record may begin */
    drop_bytes(input, len - kept);
    input->block = (block_scan_t){0};
}

static input_state_t peek_any(input_t *input, const char **ret_item, size_t *ret_len)
{
    if (input->values)
        return peek_value(input, ret_item, ret_len);
    if (input->rules.format == FANMAP_WRAPPED)
        return peek_object(input, ret_item, ret_len);
    return input->rules.block.is_on ? peek_block(input, ret_item, ret_len) : peek_line(input, ret_item, ret_len);
}

input_state_t input_peek(input_t *input, const char **ret_item, size_t *ret_len)
{
    input_state_t state = peek_any(input, ret_item, ret_len);
    const input_rules_t *rules = &input->rules;
    bool is_end = rules->has_end && state == INPUT_ITEM && strlen(rules->end) == *ret_len &&
                  memcmp(*ret_item, rules->end, *ret_len) == 0;
    return is_end ? INPUT_END : state;
}

void input_taken(input_t *input)
{
    if (input->values)
        input->values_at++;
    else if (input->rules.format == FANMAP_WRAPPED)
        object_taken(input);
    else if (input->rules.block.is_on)
        block_taken(input);
    else
        line_taken(input);
}

/* ---- reading ---- */

static int make_room(input_t *input)
{
    if (input->at > 0) {
        memmove(input->bytes, input->bytes + input->at, input->len - input->at);
        input->len -= input->at;
        input->at = 0;
    }
    return array_has_room(input->bytes, input->len + READ_BYTES - 1, input->cap, 2 * READ_BYTES) ? 0 : ENOMEM;
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
