/* A walk over an object's members that only finds where each one begins and ends: quotes, brackets and their escapes
 * are looked at, numbers and words are not. */
#include "schemas/json_members.h"

#include <string.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void skip_blanks(json_members_t *m)
{
    while (m->at < m->end && is_blank(*m->at))
        m->at++;
}

static bool accept_char(json_members_t *m, char c)
{
    skip_blanks(m);
    if (m->at == m->end || *m->at != c)
        return false;
    m->at++;
    return true;
}

static bool skip_string(json_members_t *m)
{
    for (m->at++; m->at < m->end; m->at++) {
        if (*m->at == '"') {
            m->at++;
            return true;
        }
        if (*m->at == '\\' && m->end - m->at > 1)
            m->at++;
    }
    return false;
}

static bool skip_brackets(json_members_t *m)
{
    size_t open = 0;
    while (m->at < m->end) {
        char c = *m->at;
        if (c == '"') {
            if (!skip_string(m))
                return false;
            continue;
        }
        m->at++;
        open += c == '{' || c == '[';
        open -= c == '}' || c == ']';
        if (open == 0)
            return true;
    }
    return false;
}

static bool skip_word(json_members_t *m)
{
    const char *start = m->at;
    while (m->at < m->end && !is_blank(*m->at) && !strchr(",:{}[]\"", *m->at))
        m->at++;
    return m->at > start;
}

static bool skip_value(json_members_t *m)
{
    if (m->at == m->end)
        return false;
    if (*m->at == '"')
        return skip_string(m);
    return *m->at == '{' || *m->at == '[' ? skip_brackets(m) : skip_word(m);
}

void json_members_begin(json_members_t *m, const char *text, size_t len)
{
    *m = (json_members_t){.at = text, .end = text + len, .is_first = true};
    m->bad = !accept_char(m, '{');
}

static bool members_fail(json_members_t *m)
{
    m->bad = true;
    return false;
}

bool json_members_next(json_members_t *m, json_member_t *ret)
{
    json_member_t member;
    if (m->bad)
        return false;
    if (accept_char(m, '}')) {
        skip_blanks(m);
        return m->at == m->end ? false : members_fail(m);
    }
    if (!m->is_first && !accept_char(m, ','))
        return members_fail(m);
    m->is_first = false;
    skip_blanks(m);
    member.key = m->at + 1;
    if (m->at == m->end || *m->at != '"' || !skip_string(m))
        return members_fail(m);
    member.key_len = (size_t)(m->at - member.key) - 1;
    if (!accept_char(m, ':'))
        return members_fail(m);
    skip_blanks(m);
    member.value = m->at;
    if (!skip_value(m))
        return members_fail(m);
    member.value_len = (size_t)(m->at - member.value);
    *ret = member;
    return true;
}
