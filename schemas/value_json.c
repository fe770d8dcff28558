/* JSON text straight to msgpack, in one pass and without a tree.
 *
 * Why not jansson: it has no uint64, its only way around that (integers as reals) loses bits, and a number scanner
 * beside it would have to scan every text twice and then find its numbers again in the tree. What is left of it,
 * strings and brackets, is small, and going straight to bytes is several times faster; producers do this for every
 * item.
 *
 * Happy path: parse_value appends one object. Of arrays and objects the head comes first but the count is known last,
 * so one byte is kept for it and what follows is moved when more than 15 elements need a longer head. A string is
 * scanned to its end (checking everything, finding its length), then copied.
 *
 * Failure: the first one fills `err` with what and where; value_from_json then takes back what was appended. Nesting in
 * the text may be twice as deep as in the value, because each level may be wrapped; recursion ends there. */
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "schemas/json_number.h"
#include "schemas/json_special.h"
#include "schemas/json_string.h"
#include "schemas/keys.h"
#include "schemas/mp.h"
#include "schemas/value.h"

enum { TEXT_DEPTH_MAX = 2 * MP_DEPTH_MAX + 1 };

typedef struct {
    const char *text, *at, *end;
    buf_t *out;
    keys_t keys;
    unsigned outer; /* levels that do not count */
    fanmap_error_t *err;
} parser_t;

static bool parse_value(parser_t *p, unsigned depth, json_parsed_t *ret);

static bool parse_error(parser_t *p, const char *at, const char *why)
{
    err_set(p->err, FANMAP_EUSAGE, "%s at byte %zu", why, (size_t)(at - p->text) + 1);
    return false;
}

static void skip_blanks(parser_t *p)
{
    while (p->at < p->end && (*p->at == ' ' || *p->at == '\t' || *p->at == '\n' || *p->at == '\r'))
        p->at++;
}

/* The next character that is no blank, or 0 at the end. It stays. */
static char peek(parser_t *p)
{
    skip_blanks(p);
    return p->at < p->end ? *p->at : '\0';
}

static bool eat(parser_t *p, char c, const char *why)
{
    if (peek(p) != c || p->at == p->end)
        return parse_error(p, p->at, p->at == p->end ? "the text ends too early" : why);
    p->at++;
    return true;
}

/* Stands on the opening quote. *ret_at is where the bytes of the string stand in the output. */
static bool parse_string(parser_t *p, size_t *ret_at, size_t *ret_len)
{
    json_flaw_t flaw = {0};
    size_t used = json_string(p->out, p->at, (size_t)(p->end - p->at), ret_len, &flaw);
    if (used == 0)
        return parse_error(p, p->at + flaw.at, flaw.why);
    *ret_at = p->out->len - *ret_len;
    p->at += used;
    return true;
}

/* Gives the value its meaning: it stands where no further wrapper can be. */
static bool unwrap(parser_t *p, json_parsed_t *v)
{
    if (json_unwrap(p->out, v))
        return true;
    return !p->out->failed &&
           parse_error(p, v->at, "$binary without sound base64 (write {\"$value\":...} around an object of that key)");
}

/* ---- containers ---- */

/* Puts the head of a container, now that its count is known, in the place of the one byte that was kept for it. */
static void write_head(buf_t *b, size_t start, uint32_t count, bool is_map)
{
    uint8_t space[8];
    buf_t head = {.data = space, .cap = sizeof space};
    if (is_map)
        mp_put_map(&head, count);
    else
        mp_put_array(&head, count);
    size_t more = head.len - 1;
    if (more > 0 && buf_reserve(b, more)) {
        memmove(b->data + start + head.len, b->data + start + 1, b->len - start - 1);
        b->len += more;
    }
    if (!b->failed)
        memcpy(b->data + start, head.data, head.len);
}

static bool parse_array(parser_t *p, unsigned depth, json_parsed_t *ret)
{
    uint32_t count = 0;
    p->at++;
    mp_put_array(p->out, 0);
    if (peek(p) != ']') {
        do {
            json_parsed_t element;
            if (!parse_value(p, depth, &element) || !unwrap(p, &element))
                return false;
            if (element.height > ret->height)
                ret->height = element.height;
            count++;
        } while (peek(p) == ',' && p->at++ < p->end);
    }
    if (!eat(p, ']', "neither a comma nor a bracket"))
        return false;
    write_head(p->out, ret->start, count, false);
    ret->height++;
    return true;
}

typedef struct {
    json_parsed_t first;      /* the first pair's value */
    bool is_value, is_binary; /* its key is "$value", "$binary" */
    uint32_t count;
} object_t;

static bool parse_key(parser_t *p, object_t *o)
{
    size_t at, len;
    if (peek(p) != '"')
        return parse_error(p, p->at, p->at == p->end ? "the text ends too early" : "no key");
    const char *quote = p->at;
    if (!parse_string(p, &at, &len) || p->out->failed)
        return false;
    const uint8_t *key = p->out->data + at;
    if (memchr(key, '\0', len))
        return parse_error(p, quote, "a NUL in a key");
    if (o->count == 0) {
        o->is_value = len == 6 && memcmp(key, "$value", 6) == 0;
        o->is_binary = len == 7 && memcmp(key, "$binary", 7) == 0;
    }
    keys_add(&p->keys, at, len);
    return eat(p, ':', "no colon behind a key");
}

/* One pair. The value of a first key "$value" is left wrapped until it is known whether more follows. */
static bool parse_pair(parser_t *p, unsigned depth, object_t *o, json_parsed_t *ret)
{
    json_parsed_t value;
    if (!parse_key(p, o) || !parse_value(p, depth, &value))
        return false;
    bool waits = o->count == 0 && o->is_value && peek(p) == '}';
    if (!waits && !unwrap(p, &value))
        return false;
    if (value.height > ret->height)
        ret->height = value.height;
    if (o->count++ == 0)
        o->first = value;
    return true;
}

/* `key_at`: where one of the two stands in the output, the bytes of its str. */
static bool duplicate_key(parser_t *p, size_t key_at, size_t key_len)
{
    char shown[64];
    text_escape_to(shown, sizeof shown, (const char *)p->out->data + key_at, key_len);
    err_set(p->err, FANMAP_EUSAGE, "the key \"%s\" stands twice in the object that ends at byte %zu", shown,
            (size_t)(p->at - p->text));
    return false;
}

static bool end_object(parser_t *p, size_t keys, const object_t *o, json_parsed_t *ret)
{
    size_t twin, twin_len;
    if (p->keys.places.failed || p->out->failed)
        return false;
    if (keys_end(&p->keys, keys, p->out->data, &twin, &twin_len))
        return duplicate_key(p, twin, twin_len);
    write_head(p->out, ret->start, o->count, true);
    if (o->count == 1 && o->is_value) {
        ret->wrappers = o->first.wrappers + 1;
        ret->is_binary = o->first.is_binary;
        return true;
    }
    ret->is_binary = o->count == 1 && o->is_binary;
    ret->height++;
    return true;
}

static bool parse_object(parser_t *p, unsigned depth, json_parsed_t *ret)
{
    object_t o = {0};
    size_t keys = keys_begin(&p->keys);
    p->at++;
    mp_put_map(p->out, 0);
    if (peek(p) != '}') {
        do {
            if (!parse_pair(p, depth, &o, ret))
                return false;
        } while (peek(p) == ',' && p->at++ < p->end);
    }
    return eat(p, '}', "neither a comma nor a brace") && end_object(p, keys, &o, ret);
}

/* ---- values ---- */

static bool parse_word(parser_t *p, const char *word)
{
    size_t len = strlen(word);
    if ((size_t)(p->end - p->at) < len || memcmp(p->at, word, len) != 0)
        return parse_error(p, p->at, "not JSON");
    p->at += len;
    if (*word == 'n')
        mp_put_nil(p->out);
    else
        mp_put_bool(p->out, *word == 't');
    return true;
}

static bool parse_number(parser_t *p)
{
    const char *why = NULL;
    size_t used = json_number(p->out, p->at, (size_t)(p->end - p->at), &why);
    if (used == 0)
        return parse_error(p, p->at, why);
    p->at += used;
    return true;
}

static bool parse_value(parser_t *p, unsigned depth, json_parsed_t *ret)
{
    char c = peek(p);
    size_t at, len;
    *ret = (json_parsed_t){.start = p->out->len, .at = p->at};
    if ((c == '[' || c == '{') && depth == TEXT_DEPTH_MAX + p->outer)
        return parse_error(p, p->at, "more than 128 levels of nesting");
    switch (c) {
    case '{':
        return parse_object(p, depth + 1, ret);
    case '[':
        return parse_array(p, depth + 1, ret);
    case '"':
        return parse_string(p, &at, &len);
    case 't':
        return parse_word(p, "true");
    case 'f':
        return parse_word(p, "false");
    case 'n':
        return parse_word(p, "null");
    default:
        break;
    }
    if (p->at == p->end)
        return parse_error(p, p->at, p->at == p->text ? "no value: the text is empty" : "the text ends too early");
    return c == '-' || (c >= '0' && c <= '9') ? parse_number(p) : parse_error(p, p->at, "not JSON");
}

static bool parse_text(parser_t *p)
{
    json_parsed_t value;
    if (!parse_value(p, 0, &value) || !unwrap(p, &value))
        return false;
    if (value.height > MP_DEPTH_MAX + p->outer)
        return parse_error(p, value.at, "more than 128 levels of nesting");
    skip_blanks(p);
    return p->at == p->end || parse_error(p, p->at, "more than one value: the next begins");
}

static int parse(buf_t *b, const char *text, size_t len, unsigned outer, fanmap_error_t *err)
{
    parser_t p = {.text = text, .at = text, .end = text + len, .out = b, .outer = outer, .err = err};
    size_t start = b->len;
    bool is_parsed = parse_text(&p);
    bool is_out_of_memory = b->failed || p.keys.places.failed;
    keys_free(&p.keys);
    if (is_parsed && !is_out_of_memory)
        return FANMAP_OK;
    b->len = start;
    if (!is_out_of_memory)
        return FANMAP_EUSAGE;
    b->failed = true;
    return err_set(err, FANMAP_ENOMEM, "out of memory");
}

int value_from_json(buf_t *b, const char *text, size_t len, fanmap_error_t *err)
{
    return parse(b, text, len, 0, err);
}

int value_from_json_object(buf_t *b, const char *text, size_t len, fanmap_error_t *err)
{
    return parse(b, text, len, 1, err);
}
