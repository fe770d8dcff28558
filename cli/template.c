#include "cli/template.h"
#include "base/text.h"

#include <string.h>

enum { DIGITS_MAX = 4 };

/* What stands behind a name or a number: nothing, or a part of a path. */
static bool is_path(const char *text, size_t len)
{
    static const char *const all[] = {"", ".", "/", "//", "/."};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (text_is(text, len, all[i]))
            return true;
    return false;
}

static void put_all(const template_rules_t *rules, const char *path, size_t len, buf_t *ret, template_facts_t *facts)
{
    buf_printf(ret, "{%c%.*s}", rules->is_repeated ? '*' : '+', (int)len, path);
    facts->all_n++;
    facts->all_bytes += len + strlen("{+}");
    facts->has_place = true;
}

static bool put_name(const template_rules_t *rules, const char *text, size_t len, buf_t *ret, template_facts_t *facts)
{
    for (size_t i = 0; i < rules->names_n; i++) {
        size_t n = strlen(rules->names[i]);
        if (n == 0 || n > len || memcmp(text, rules->names[i], n) != 0 || !is_path(text + n, len - n))
            continue;
        buf_printf(ret, "{%zu%s%.*s}", i + 1, rules->is_uneven ? "?" : "", (int)(len - n), text + n);
        facts->has_place = true;
        return true;
    }
    return false;
}

/* {2} {-1.} */
static bool put_part(const template_rules_t *rules, const char *text, size_t len, buf_t *ret, template_facts_t *facts)
{
    bool is_from_end = *text == '-';
    size_t digits = strspn(text + is_from_end, "0123456789"), n = digits + is_from_end;
    if (digits == 0 || digits > DIGITS_MAX || !is_path(text + n, len - n))
        return false;
    buf_printf(ret, "{%.*s%s%.*s}", (int)n, text, rules->is_uneven ? "?" : "", (int)(len - n), text + n);
    facts->has_place = true;
    return true;
}

static void note_placeholder(const char *text, size_t len, template_facts_t *facts)
{
    bool is_all = (*text == '+' || *text == '*') && is_path(text + 1, len - 1);
    facts->all_n += is_all;
    facts->all_bytes += is_all ? len + strlen("{}") : 0;
    facts->has_place |= is_all || is_path(text, len) || (len == 1 && strchr("#%", *text));
}

/* What stands between braces. False: it stays as it is. */
static bool put_braces(const template_rules_t *rules, const char *text, size_t len, buf_t *ret, template_facts_t *facts)
{
    bool is_text = rules->replace && len == 0; /* {} where -I named another */
    if (put_name(rules, text, len, ret, facts) || put_part(rules, text, len, ret, facts))
        return true;
    if (rules->is_array && !is_text && is_path(text, len)) {
        put_all(rules, text, len, ret, facts);
        return true;
    }
    if (!is_text)
        note_placeholder(text, len, facts);
    return false;
}

void template_rewrite(const template_rules_t *rules, const char *text, bool is_shell, buf_t *ret,
                      template_facts_t *facts)
{
    size_t replace_len = rules->replace ? strlen(rules->replace) : 0;
    for (const char *at = text; *at;) {
        bool is_own = !is_shell || at == text || at[-1] != '$';
        const char *end = is_own && *at == '{' ? strpbrk(at + 1, "{}") : NULL;
        size_t n = end && *end == '}' ? (size_t)(end - at) + 1 : 1;
        if (replace_len > 0 && strncmp(at, rules->replace, replace_len) == 0) {
            n = replace_len;
            if (rules->is_array)
                put_all(rules, "", 0, ret, facts);
            else
                buf_append(ret, at, n);
            facts->has_place = true;
        } else if (n == 1 || !put_braces(rules, at + 1, n - 2, ret, facts)) {
            buf_append(ret, at, n);
        }
        at += n;
    }
}
