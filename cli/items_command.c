/* What the command line says of items, in the placeholders that the library has. */
#include <stdlib.h>
#include <string.h>

#include "cli/items.h"

static char *rewrite(const template_rules_t *rules, const char *text, bool is_shell, template_facts_t *facts)
{
    buf_t b = {0};
    template_rewrite(rules, text, is_shell, &b, facts);
    buf_append(&b, "", 1);
    char *copy = b.failed ? NULL : strdup((const char *)b.data);
    buf_free(&b);
    return copy;
}

/* What a word of the command has for each item, and what by itself. */
static void add_word_bytes(items_t *items, const char *word, size_t all_n, size_t all_bytes)
{
    size_t len = strlen(word) + 1 - all_bytes;
    bundle_t *b = &items->bundle;
    b->copies += all_n;
    b->own_bytes += items->is_repeated && all_n > 0 ? 0 : len - all_n;
    b->around += items->is_repeated && all_n > 0 ? len : all_n;
}

/* A command without a place for several items, or for columns, has it at its end. */
static bool rewrite_words(items_t *items, const template_rules_t *rules, arguments_t *arguments,
                          template_facts_t *facts)
{
    size_t n = (size_t)arguments->argv_n;
    if (n == 0)
        return true;
    items->words = calloc(n + 2, sizeof *items->words);
    if (!items->words)
        return false;
    items->bundle.copies = items->bundle.around = 0;
    for (size_t i = 0; i < n; i++) {
        size_t all_n = facts->all_n, all_bytes = facts->all_bytes;
        if (!(items->words[i] = rewrite(rules, arguments->argv[i], false, facts)))
            return false;
        add_word_bytes(items, items->words[i], facts->all_n - all_n, facts->all_bytes - all_bytes);
    }
    if (rules->is_uneven && !facts->has_place) {
        if (!(items->words[n++] = strdup("{+}")))
            return false;
        add_word_bytes(items, "{+}", 1, strlen("{+}"));
    }
    arguments->argv = items->words;
    arguments->argv_n = (int)n;
    return true;
}

static bool rewrite_option(const template_rules_t *rules, arguments_t *arguments, const char *key, bool is_shell,
                           template_facts_t *facts)
{
    const char *text = option_text(arguments, key);
    char *copy = text ? rewrite(rules, text, is_shell, facts) : NULL;
    bool is_set = !text || (copy && fanmap_options_set(arguments->options, key, copy, NULL) == FANMAP_OK);
    free(copy);
    return is_set;
}

int items_rewrite(items_t *items, arguments_t *arguments)
{
    const char *replace = option_text(arguments, "replace");
    template_rules_t rules = {.names = items->names,
                              .names_n = items->names_n,
                              .is_array = items->is_array,
                              .is_uneven = items->is_array && !items->has_sequences,
                              .is_repeated = items->is_repeated};
    template_facts_t facts = {0}, others = {0};
    if (replace && strcmp(replace, "{}") != 0)
        rules.replace = replace;
    if (!rules.is_array && rules.names_n == 0)
        return EXIT_ALL_WELL;
    if (!rewrite_words(items, &rules, arguments, &facts) || !rewrite_option(&rules, arguments, "sh", true, &facts) ||
        !rewrite_option(&rules, arguments, "tagstring", false, &others) ||
        !rewrite_option(&rules, arguments, "results", false, &others))
        return fail_with(EXIT_IO, "out of memory for the command");
    return EXIT_ALL_WELL;
}
