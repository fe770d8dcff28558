#include "cli/tag.h"

int tag_open(tag_t *tag, const arguments_t *arguments)
{
    const char *text = option_text(arguments, "tagstring");
    const char *const words[] = {text ? text : "{+}", NULL};
    fanmap_error_t err;
    *tag = (tag_t){NULL};
    if (!text && !is_switch_set(arguments, "tag"))
        return EXIT_ALL_WELL;
    int r = fanmap_filler_open(arguments->options, words, &tag->filler, &err);
    return r == FANMAP_OK ? EXIT_ALL_WELL : complain_error(&err);
}

void tag_close(tag_t *tag)
{
    fanmap_filler_close(tag->filler);
    tag->filler = NULL;
}

void tag_lines(tag_t *tag, const kept_item_t *item, const char *text, size_t len, buf_t *ret)
{
    const char *const *words = NULL;
    buf_t joined = {0};
    fanmap_error_t err;
    if (item &&
        fanmap_filler_fill(tag->filler, item->format, item->parts, item->n, item->seq - 1, &words, &err) == FANMAP_OK)
        for (size_t i = 0; words[i]; i++) {
            buf_append(&joined, " ", i > 0);
            buf_append_text(&joined, words[i]);
        }
    tag_put_lines(ret, joined.data ? (const char *)joined.data : "", joined.len, text, len);
    buf_free(&joined);
}
