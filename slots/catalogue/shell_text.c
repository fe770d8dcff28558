/* The text is read once, with a stack of what is open: quotes, $(...), (...) and backquotes. That is as much of a shell's
 * grammar as the place of a parameter needs; what is not understood stays as it is. */
#include "slots/catalogue/shell_text.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "slots/shared/placeholder.h"
#include "slots/shared/terms.h"

enum { DEPTH_MAX = 64, PARAMETERS_MAX = 64 };

typedef struct {
    const char *text, *at, *replace;
    char open[DEPTH_MAX]; /* ' " ( `, + of $((, p of a parenthesis in it */
    size_t depth;
    bool has_here_document, uses_parameters, is_too_deep;
    bool is_shown;     /* marks stand for parameters */
    bool is_named;     /* parameters are variables, but for {+}, which is "$@" */
    bool has_function; /* in which $1 is another; or set and shift */
    buf_t script;
    placeholder_t parameters[PARAMETERS_MAX];
    const char *names[PARAMETERS_MAX]; /* their text */
    size_t parameters_n;
} reader_t;

static char top(const reader_t *r)
{
    return r->depth > 0 ? r->open[r->depth - 1] : '\0';
}

static void push(reader_t *r, char what)
{
    r->is_too_deep |= r->depth == DEPTH_MAX;
    if (r->depth < DEPTH_MAX)
        r->open[r->depth++] = what;
}

static void copy(reader_t *r, size_t n)
{
    size_t left = strlen(r->at);
    n = n < left ? n : left;
    buf_append(&r->script, r->at, n);
    r->at += n;
}

/* Its number as a parameter, from 1; 0: too many. */
static size_t number_of(reader_t *r, const placeholder_t *p)
{
    for (size_t i = 0; i < r->parameters_n; i++)
        if (r->parameters[i].len == p->len && memcmp(r->names[i], r->at, p->len) == 0)
            return i + 1;
    if (r->parameters_n == PARAMETERS_MAX)
        return 0;
    r->parameters[r->parameters_n] = *p;
    r->names[r->parameters_n] = r->at;
    return ++r->parameters_n;
}

static bool is_all(const placeholder_t *p)
{
    return p->kind == PLACE_ALL || p->kind == PLACE_EACH;
}

static int put_parameter(reader_t *r, const placeholder_t *p, fanmap_error_t *err)
{
    char text[24] = "$@";
    size_t number = number_of(r, p);
    if (r->has_here_document)
        return err_set(err, FANMAP_EUSAGE,
                       "%.*s stands behind <<, where no item can be put: assign it to a variable before", (int)p->len,
                       r->at);
    if (top(r) == '+' || top(r) == 'p')
        return err_set(err, FANMAP_EUSAGE,
                       "%.*s stands within $((...)), where an item could be code: expr takes it as an argument",
                       (int)p->len, r->at);
    if (number == 0)
        return err_set(err, FANMAP_EUSAGE, "more than %d different placeholders", PARAMETERS_MAX);
    if (r->is_shown) {
        const char mark[SHELL_MARK_BYTES] = {'\0', top(r) == '\'' || top(r) == '"' ? top(r) : ' ', (char)number};
        buf_append(&r->script, mark, sizeof mark);
        r->at += p->len;
        return FANMAP_OK;
    }
    if (!is_all(p))
        snprintf(text, sizeof text, r->is_named ? "${fanmap_%zu}" : "${%zu}", number);
    const char *quotes = top(r) == '\'' ? "'\"" : top(r) == '"' ? "" : "\"", *back = top(r) == '\'' ? "\"'" : quotes;
    buf_printf(&r->script, "%s%s%s", quotes, text, back);
    r->at += p->len;
    return FANMAP_OK;
}

static bool begins_word(const reader_t *r)
{
    return r->at == r->text || isspace((unsigned char)r->at[-1]) || strchr(";&|(", r->at[-1]);
}

/* name(), set -- and shift: $1 is not what it was. */
static bool changes_parameters(const reader_t *r)
{
    const char *at = r->at;
    if (*at == '(')
        return at[1 + strspn(at + 1, " ")] == ')';
    size_t len = strncmp(at, "shift", 5) == 0 ? 5 : strncmp(at, "set", 3) == 0 ? 3 : 0;
    return len > 0 && begins_word(r) && !isalnum((unsigned char)at[len]) && at[len] != '_';
}

static void read_dollar(reader_t *r)
{
    char next = r->at[1];
    r->uses_parameters |= (next >= '1' && next <= '9') || next == '@' || next == '*' || next == '#' ||
                          (next == '{' && r->at[2] && strchr("123456789@*#", r->at[2]));
    bool is_arithmetic = next == '(' && r->at[2] == '(';
    if (next == '(')
        push(r, is_arithmetic ? '+' : '(');
    copy(r, is_arithmetic ? 3 : next == '(' ? 2 : 1);
}

static void read_quote(reader_t *r, char quote)
{
    if (top(r) == quote)
        r->depth--;
    else
        push(r, quote);
    copy(r, 1);
}

/* What stands behind a backslash is text, and two quotes in it keep it that. */
static void read_backslash(reader_t *r)
{
    placeholder_t p;
    bool is_like_one = r->at[1] && placeholder_read(r->at + 1, r->replace, &p) && p.len > 1;
    copy(r, 2);
    if (is_like_one)
        buf_append(&r->script, "\"\"", 2);
}

/* A comment that names an item is left out: an item with a newline would be code there. Behind << it may be no comment, and
 * the item is met. */
static void read_comment(reader_t *r)
{
    size_t len = strcspn(r->at, "\n"), at = 0;
    placeholder_t p;
    while (at < len && !placeholder_read_in_shell(r->text, r->at + at, r->replace, &p))
        at++;
    if (at == len || r->has_here_document)
        copy(r, at);
    else
        r->at += len;
}

/* One character, or a few that belong together, outside of '...'. */
static void read_plain(reader_t *r)
{
    bool is_quoted = top(r) == '"';
    char c = *r->at;
    if (c == '\\') {
        read_backslash(r);
    } else if (c == '"' || c == '`' || (c == '\'' && !is_quoted)) {
        read_quote(r, c);
    } else if (c == '$') {
        read_dollar(r);
    } else if (!is_quoted && c == '#' && begins_word(r)) {
        read_comment(r);
    } else if (!is_quoted && strncmp(r->at, "<<", 2) == 0) {
        r->has_here_document |= r->at[2] != '<';
        copy(r, 2 + (r->at[2] == '<'));
    } else {
        if (!is_quoted && c == '(')
            push(r, top(r) == '+' || top(r) == 'p' ? 'p' : '(');
        r->has_function |= !is_quoted && changes_parameters(r);
        bool ends_arithmetic = c == ')' && top(r) == '+' && r->at[1] == ')';
        if (ends_arithmetic || (c == ')' && (top(r) == '(' || top(r) == 'p')))
            r->depth--;
        copy(r, ends_arithmetic ? 2 : 1);
    }
}

static int read_text(reader_t *r, fanmap_error_t *err)
{
    int code = FANMAP_OK;
    placeholder_t p;
    while (*r->at && code == FANMAP_OK) {
        if (placeholder_read_in_shell(r->text, r->at, r->replace, &p))
            code = put_parameter(r, &p, err);
        else if (top(r) != '\'')
            read_plain(r);
        else if (*r->at == '\'')
            read_quote(r, '\'');
        else
            copy(r, 1);
    }
    if (code == FANMAP_OK && r->is_too_deep)
        return err_set(err, FANMAP_EUSAGE, "quotes and parentheses are nested more than %d deep", DEPTH_MAX);
    size_t all_n = 0;
    for (size_t i = 0; i < r->parameters_n; i++)
        all_n += is_all(&r->parameters[i]);
    if (code == FANMAP_OK && all_n > 1)
        return err_set(err, FANMAP_EUSAGE,
                       "{+}, {+.} and the like are all parameters of a shell: only one of them can be");
    return code;
}

/* Before the text does anything it keeps parameters in variables, where others would come to stand in their places: of
 * functions, or those of {+}, which goes behind the others. */
static bool name_parameters(const reader_t *r, reader_t *ret)
{
    size_t at = 0, last = r->parameters_n - 1;
    while (at < r->parameters_n && !is_all(&r->parameters[at]))
        at++;
    bool has_all = at < r->parameters_n;
    if (r->parameters_n == has_all || (!has_all && !r->has_function))
        return false;
    for (size_t i = 0; i < r->parameters_n; i++) {
        size_t from = !has_all || i < at ? i : i == last ? at : i + 1;
        ret->parameters[i] = r->parameters[from];
        ret->names[i] = r->names[from];
    }
    ret->parameters_n = r->parameters_n;
    ret->is_named = true;
    for (size_t n = 1; n <= r->parameters_n - has_all && !r->is_shown; n++)
        buf_printf(&ret->script, "fanmap_%zu=${%zu}; ", n, n);
    if (has_all && !r->is_shown)
        buf_printf(&ret->script, "shift %zu; ", last);
    return true;
}

/* r->script and r->parameters. */
static int read_all(reader_t *r, fanmap_error_t *err)
{
    reader_t again = {.text = r->text, .at = r->text, .replace = r->replace, .is_shown = r->is_shown};
    int code = read_text(r, err);
    if (code != FANMAP_OK || !name_parameters(r, &again))
        return code;
    buf_free(&r->script);
    *r = again;
    return read_text(r, err);
}

static char **make_words(const reader_t *r)
{
    size_t n = 4;
    char **words = calloc(n + PARAMETERS_MAX + 2, sizeof *words);
    if (!words || r->script.failed) {
        words_free(words);
        return NULL;
    }
    words[0] = strdup("sh");
    words[1] = strdup("-c");
    words[2] = strdup("--"); /* what follows may begin with a dash, the items too */
    words[SHELL_SCRIPT_WORD] = strndup(r->script.data ? (const char *)r->script.data : "", r->script.len);
    bool has_parameters = r->parameters_n > 0 || r->uses_parameters;
    if (has_parameters)
        words[n++] = strdup("sh");
    for (size_t i = 0; i < r->parameters_n; i++)
        words[n++] = strndup(r->names[i], r->parameters[i].len);
    if (r->uses_parameters && r->parameters_n == 0)
        words[n++] = strdup("{+}");
    for (size_t i = 0; i < n; i++) {
        if (words[i])
            continue;
        words_free(words);
        return NULL;
    }
    return words;
}

/* Reads the text, and makes the words of it. */
static int read_and_make(reader_t *r, char ***ret_words, fanmap_error_t *err)
{
    int code = read_all(r, err);
    char **words = code == FANMAP_OK ? make_words(r) : NULL;
    if (code == FANMAP_OK && !words)
        return err_set(err, FANMAP_ENOMEM, "no memory for a command");
    if (code == FANMAP_OK)
        *ret_words = words;
    return code;
}

int shell_text_words(const char *text, const char *replace, char ***ret_words, fanmap_error_t *err)
{
    reader_t r = {.text = text, .at = text, .replace = replace};
    int code = read_and_make(&r, ret_words, err);
    buf_free(&r.script);
    return code;
}

int shell_text_show(const char *text, const char *replace, shell_shown_t *ret, fanmap_error_t *err)
{
    reader_t r = {.text = text, .at = text, .replace = replace, .is_shown = true};
    char **words;
    int code = read_and_make(&r, &words, err);
    if (code == FANMAP_OK)
        *ret = (shell_shown_t){r.script, words, r.uses_parameters};
    else
        buf_free(&r.script);
    return code;
}

bool shell_text_has_placeholder(const char *text, const char *replace)
{
    placeholder_t p;
    for (const char *at = text; *at; at++)
        if (placeholder_read_in_shell(text, at, replace, &p) && p.kind != PLACE_NAME)
            return true;
    return false;
}
