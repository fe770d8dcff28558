/* Items from the command line: a file, stdin, or the values after :::. Never blocks: a descriptor is read only after
 * poll said that it may be. An item beyond the item limit is read on to its end and given cut: the library refuses it
 * by its length. */
#ifndef CLI_INPUT_H
#define CLI_INPUT_H

#include "cli/blocks.h"
#include "cli/cli.h"
#include "cli/csv.h"

enum { END_BYTES = 256 };

/* How items are written. */
typedef struct {
    fanmap_format_t format;
    char delimiter; /* but of msgpack */
    bool is_csv;    /* a newline in quotes ends nothing */
    char separator; /* of CSV */
    bool has_end;
    char end[END_BYTES]; /* the item that ends the input */
    block_rules_t block; /* an item is a block of records */
    size_t item_max;
} input_rules_t;

typedef struct {
    int fd; /* -1: values, or closed */
    const char *name;
    input_rules_t rules;
    csv_state_t csv;
    block_scan_t block;
    char *bytes;
    size_t at, len, cap, scanned;
    uint64_t dropped; /* bytes of the source before `bytes` */
    fanmap_scan_t scan;
    bool is_at_end, is_cutting; /* cutting: what follows up to the item's end is thrown away */
    char **values;
    int values_n, values_at;
} input_t;

typedef enum {
    INPUT_ITEM,
    INPUT_WANTS_READ,
    INPUT_END,
    INPUT_BROKEN /* msgpack that is none, or that ends inside of an object: input_broken_at */
} input_state_t;

/* What --input-format, -0 and others say, or else `standard_format`. EXIT_ALL_WELL, or EXIT_USAGE after a complaint. */
int input_rules(const arguments_t *arguments, const char *standard_format, input_rules_t *ret);
/* `path` NULL or "-": stdin. EXIT_ALL_WELL, or EXIT_IO after a complaint. */
int input_open_file(input_t *input, const char *path, const input_rules_t *rules);
void input_open_values(input_t *input, const values_t *values, const input_rules_t *rules);
void input_close(input_t *input);
/* INPUT_ITEM: the next item, borrowed until input_taken or input_read. */
input_state_t input_peek(input_t *input, const char **ret_item, size_t *ret_len);
void input_taken(input_t *input);
/* One read of the descriptor. 0, or the errno of what failed. */
int input_read(input_t *input);
uint64_t input_broken_at(const input_t *input);

#endif
