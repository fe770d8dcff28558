/* --tag and --tagstring: what stands before each line of an item's output. */
#ifndef CLI_TAG_H
#define CLI_TAG_H

#include "base/buf.h"
#include "cli/cli.h"
#include "cli/kept.h"

typedef struct {
    fanmap_filler_t *filler; /* NULL: no tags are asked for */
} tag_t;

/* EXIT_ALL_WELL, or another status after a complaint. tag_close in every case. */
int tag_open(tag_t *tag, const arguments_t *arguments);
void tag_close(tag_t *tag);
/* Appends the lines of `text`, each with the item's tag and a tab before it. */
void tag_lines(tag_t *tag, const kept_item_t *item, const char *text, size_t len, buf_t *ret);
/* The same with the tag as text. Pure. */
void tag_put_lines(buf_t *ret, const char *tag, size_t tag_len, const char *text, size_t len);

#endif
