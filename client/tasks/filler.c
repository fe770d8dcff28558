/* The words of a command as an item makes them, for whoever shows or logs them. */
#include <stdlib.h>

#include "client/options/options.h"
#include "client/options/policy_rules.h"
#include "schemas/value.h"
#include "slots/shared/args.h"

struct fanmap_filler {
    char **words;
    terms_t terms;
    args_t args;
    buf_t bound, item;
};

int fanmap_filler_open(const fanmap_options_t *options, const char *const *words, fanmap_filler_t **ret,
                       fanmap_error_t *err)
{
    fanmap_filler_t *f = calloc(1, sizeof *f);
    if (!f)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    const char *replace = options_text(options, OPT_REPLACE);
    f->words = words_copy(words);
    f->terms = (terms_t){.replace = (char *)(uintptr_t)replace};
    int r = binds_encode(options, &f->bound, err);
    if (r == FANMAP_OK && !f->words)
        r = err_set(err, FANMAP_ENOMEM, "out of memory");
    if (r == FANMAP_OK)
        *ret = f;
    else
        fanmap_filler_close(f);
    return r;
}

static void put_part(buf_t *b, fanmap_format_t format, const fanmap_part_t *part)
{
    size_t before = b->len;
    if ((format == FANMAP_JSON || format == FANMAP_WORD) &&
        value_from_json(b, part->bytes, part->len, NULL) == FANMAP_OK)
        return;
    b->len = before;
    if (format == FANMAP_MSGPACK || format == FANMAP_WRAPPED)
        buf_append(b, part->bytes, part->len);
    else
        value_from_bytes(b, part->bytes, part->len);
}

int fanmap_filler_fill(fanmap_filler_t *f, fanmap_format_t format, const fanmap_part_t *parts, size_t n, uint64_t index,
                       const char *const **ret_words, fanmap_error_t *err)
{
    buf_clear(&f->item);
    if (n != 1)
        mp_put_array(&f->item, (uint32_t)n);
    for (size_t i = 0; i < n; i++)
        put_part(&f->item, format, &parts[i]);
    if (f->item.failed)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    args_values_t values = {.item = f->item.data,
                            .item_len = f->item.len,
                            .bound = f->bound.data,
                            .bound_len = f->bound.len,
                            .index = index,
                            .terms = &f->terms,
                            .any_dash = true};
    if (!args_expand(&f->args, (const char *const *)f->words, &values))
        return err_set(err, FANMAP_EUSAGE, "%s", f->args.why);
    *ret_words = (const char *const *)f->args.argv;
    return FANMAP_OK;
}

void fanmap_filler_close(fanmap_filler_t *f)
{
    if (!f)
        return;
    words_free(f->words);
    buf_free(&f->args.text);
    free(f->args.argv);
    buf_free(&f->bound);
    buf_free(&f->item);
    free(f);
}
