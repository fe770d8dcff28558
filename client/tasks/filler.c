/* The words of a command as an item makes them, for whoever shows or logs them. */
#include <stdlib.h>
#include <string.h>

#include "base/quote.h"
#include "client/options/options.h"
#include "client/options/policy_rules.h"
#include "schemas/value.h"
#include "slots/catalogue/program.h"
#include "slots/catalogue/shell_text.h"
#include "slots/shared/args.h"

struct fanmap_filler {
    char **words;
    terms_t terms;
    args_t args;
    shell_shown_t shown; /* of a text of the shell */
    buf_t bound, item, command;
};

static char **copy_argv(const fanmap_options_t *options)
{
    size_t n = 0;
    while (options_nth(options, OPT_ARGV, n))
        n++;
    char **words = calloc(n + 1, sizeof *words);
    for (size_t i = 0; words && i < n; i++) {
        words[i] = strdup(options_nth(options, OPT_ARGV, i));
        if (!words[i]) {
            words_free(words);
            return NULL;
        }
    }
    return words;
}

/* What a quote means within these is not for us to say: the item would stand there as code. */
static bool is_hard_to_show(const char *text)
{
    return strchr(text, '`') || strstr(text, "${") || strstr(text, "$(");
}

/* The text as it runs, with its parameters before it. */
static int show_by_parameters(fanmap_filler_t *f, const char *text, fanmap_error_t *err)
{
    int r = shell_text_words(text, f->terms.replace, &f->shown.words, err);
    if (r != FANMAP_OK)
        return r;
    buf_append_text(&f->shown.text, f->shown.words[SHELL_SCRIPT_WORD]);
    f->shown.uses_parameters = true;
    return FANMAP_OK;
}

/* The words of the command that the options name. Of a text of the shell: those that its marks stand for. */
static int take_command(fanmap_filler_t *f, const fanmap_options_t *options, fanmap_error_t *err)
{
    const char *text = options_text(options, OPT_SH);
    if (!text) {
        f->words = copy_argv(options);
        f->terms.script_at = f->words ? program_shell_text_at((const char *const *)f->words) : 0;
        return FANMAP_OK;
    }
    int r = is_hard_to_show(text) ? show_by_parameters(f, text, err)
                                  : shell_text_show(text, f->terms.replace, &f->shown, err);
    const char *const *words = (const char *const *)f->shown.words;
    if (r == FANMAP_OK) /* behind sh -c -- TEXT sh */
        f->words = words_copy(words + SHELL_SCRIPT_WORD + 1 + (words[SHELL_SCRIPT_WORD + 1] != NULL));
    return r;
}

int fanmap_filler_open(const fanmap_options_t *options, const char *const *words, fanmap_filler_t **ret,
                       fanmap_error_t *err)
{
    fanmap_filler_t *f = calloc(1, sizeof *f);
    if (!f)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    const char *replace = options_text(options, OPT_REPLACE);
    f->terms = (terms_t){.replace = (char *)(uintptr_t)replace};
    int r = FANMAP_OK;
    if (words)
        f->words = words_copy(words);
    else
        r = take_command(f, options, err);
    if (r == FANMAP_OK)
        r = binds_encode(options, &f->bound, err);
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
        mp_put_bin(b, part->bytes, part->len);
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

static void put_words(buf_t *b, char *const *words)
{
    for (size_t i = 0; words[i]; i++) {
        buf_append(b, " ", i > 0);
        quote_put_word(b, words[i], strlen(words[i]));
    }
}

/* The text of the shell with the words in the places of its marks; between them a quote that is open there is closed. */
static void put_shown(const fanmap_filler_t *f, buf_t *b)
{
    const char *at = (const char *)f->shown.text.data, *end = at + f->shown.text.len;
    if (f->shown.uses_parameters && f->args.words_n > 0) {
        buf_append_text(b, "set -- ");
        put_words(b, f->args.argv);
        buf_append_text(b, "; ");
    }
    while (at < end) {
        size_t n = strnlen(at, (size_t)(end - at));
        buf_append(b, at, n);
        at += n;
        if (at == end)
            break;
        size_t word = (size_t)at[2] - 1;
        char *one[] = {f->args.argv[word], NULL}, *const *words = one;
        if (f->words[word][0] == '{' && strchr("+*", f->words[word][1]))
            words = f->args.argv + word; /* it is the last one, and many */
        buf_append(b, at + 1, at[1] != ' ');
        put_words(b, words);
        buf_append(b, at + 1, at[1] != ' ');
        at += SHELL_MARK_BYTES;
    }
}

/* What comes on stdin, before the command that reads it. */
static void put_stdin(const fanmap_filler_t *f, buf_t *b)
{
    buf_t text = {0};
    if (args_value_text(&text, f->item.data, f->item.len)) {
        buf_append_text(b, "printf '%s\\n' ");
        quote_put_word(b, text.data, text.len);
        buf_append_text(b, " | ");
    }
    buf_free(&text);
}

int fanmap_filler_command(fanmap_filler_t *f, fanmap_format_t format, const fanmap_part_t *parts, size_t n,
                          uint64_t index, const char **ret_text, size_t *ret_len, fanmap_error_t *err)
{
    const char *const *words;
    buf_t shown = {0};
    int r = fanmap_filler_fill(f, format, parts, n, index, &words, err);
    if (r != FANMAP_OK)
        return r;
    buf_clear(&f->command);
    if (!f->args.takes_item && n > 0)
        put_stdin(f, &f->command);
    if (!f->shown.words)
        put_words(&f->command, f->args.argv);
    else if (f->args.takes_item || n == 0)
        put_shown(f, &f->command);
    else {
        put_shown(f, &shown);
        buf_append_text(&f->command, "sh -c ");
        quote_put_word(&f->command, shown.data, shown.len);
    }
    bool is_out_of_memory = f->command.failed || shown.failed;
    buf_free(&shown);
    if (is_out_of_memory)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    *ret_text = f->command.data ? (const char *)f->command.data : "";
    *ret_len = f->command.len;
    return FANMAP_OK;
}

void fanmap_filler_close(fanmap_filler_t *f)
{
    if (!f)
        return;
    words_free(f->words);
    words_free(f->shown.words);
    buf_free(&f->shown.text);
    buf_free(&f->command);
    buf_free(&f->args.text);
    free(f->args.argv);
    buf_free(&f->bound);
    buf_free(&f->item);
    free(f);
}
