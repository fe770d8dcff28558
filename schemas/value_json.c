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
 * The special objects. {"$binary":B} and {"$value":X} are single-key objects, which is known only at their closing
 * brace, and what X means depends on how many $value stand around it: the outermost unwraps, the next is then meant
 * literally, what that holds is read as usual, and so on in turn. So parse_value leaves such an object as it is written
 * and says how many wrappers there are and whether a $binary is inside; settle, which is called where no wrapper can
 * follow, drops every other wrapper and turns the inner object into a bin unless the last wrapper dropped made it
 * literal.
 *
 * Failure: the first one fills `err` with what and where; value_from_json then takes back what was appended. Nesting in
 * the text may be twice as deep as in the value, because each level may be wrapped; recursion ends there. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "schemas/json_number.h"
#include "schemas/keys.h"
#include "schemas/mp.h"
#include "schemas/value.h"

enum { TEXT_DEPTH_MAX = 2 * MP_DEPTH_MAX + 1, WRAPPER_BYTES = 8 /* 0x81 0xa6 "$value" */ };

typedef struct {
    const char *text, *at, *end;
    buf_t *out;
    keys_t keys;
    fanmap_error_t *err;
} parser_t;

typedef struct {
    size_t start;      /* where it begins in the output */
    const char *at;    /* and in the text */
    unsigned height;   /* containers inside one another, those of the wrappers not counted */
    unsigned wrappers; /* {"$value": around it that are not settled */
    bool is_binary;    /* inside them is {"$binary":...} */
} parsed_t;

static bool parse_value(parser_t *p, unsigned depth, parsed_t *ret);

static bool fail(parser_t *p, const char *at, const char *why)
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
        return fail(p, p->at, p->at == p->end ? "the text ends too early" : why);
    p->at++;
    return true;
}

/* ---- strings ---- */

/* Whether all of eight bytes are ASCII that stands for itself: no control, quote or backslash. */
static bool is_plain_8(const char *at)
{
    const uint64_t ones = 0x0101010101010101u, high = 0x8080808080808080u;
    uint64_t x;
    memcpy(&x, at, sizeof x);
    uint64_t quote = x ^ ones * '"', slash = x ^ ones * '\\';
    return ((x | (x - ones * 0x20) | ((quote - ones) & ~quote) | ((slash - ones) & ~slash)) & high) == 0;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The four hex digits behind "\u" at `at`, or -1. */
static int32_t hex_unit(const char *at, const char *end)
{
    int32_t unit = 0;
    if (end - at < 6 || at[0] != '\\' || at[1] != 'u')
        return -1;
    for (int i = 2; i < 6; i++) {
        int digit = hex_digit(at[i]);
        if (digit < 0)
            return -1;
        unit = unit << 4 | digit;
    }
    return unit;
}

/* The scalar value of "\uXXXX" or of a pair of them, and its length in the text; 0: neither. */
static size_t decode_unicode(const char *at, const char *end, uint32_t *ret)
{
    int32_t first = hex_unit(at, end);
    if (first < 0 || (first >= 0xDC00 && first <= 0xDFFF))
        return 0;
    *ret = (uint32_t)first;
    if (first < 0xD800 || first > 0xDBFF)
        return 6;
    int32_t second = hex_unit(at + 6, end);
    if (second < 0xDC00 || second > 0xDFFF)
        return 0;
    *ret = 0x10000 + ((uint32_t)(first - 0xD800) << 10) + (uint32_t)(second - 0xDC00);
    return 12;
}

static size_t utf8_encode(char to[4], uint32_t c)
{
    if (c < 0x80) {
        to[0] = (char)c;
        return 1;
    }
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, c >>= 6)
        to[i] = (char)(0x80 | (c & 0x3F));
    to[0] = (char)((0xF00 >> n & 0xF0) | c);
    return n;
}

/* One escape at `at`: its length in the text (0: none) and the bytes that it stands for. */
static size_t decode_escape(const char *at, const char *end, char to[4], size_t *ret_len)
{
    static const char letters[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    uint32_t scalar;
    if (end - at < 2)
        return 0;
    const char *letter = at[1] ? strchr(letters, at[1]) : NULL;
    if (letter) {
        to[0] = meant[letter - letters];
        *ret_len = 1;
        return 2;
    }
    size_t used = decode_unicode(at, end, &scalar);
    if (used > 0)
        *ret_len = utf8_encode(to, scalar);
    return used;
}

static bool fail_escape(parser_t *p)
{
    int32_t unit = hex_unit(p->at, p->end);
    return fail(p, p->at, unit >= 0xD800 && unit <= 0xDFFF ? "a lone surrogate" : "a bad escape");
}

/* One character that is_plain_8 did not step over; adds the bytes that it becomes to *len. False when it is not
 * allowed. */
static bool scan_character(parser_t *p, size_t *len, bool *has_escapes)
{
    char to[4];
    uint32_t scalar;
    size_t n = 0, used;
    if (*p->at == '\\') {
        *has_escapes = true;
        used = decode_escape(p->at, p->end, to, &n);
        if (used == 0)
            return fail_escape(p);
    } else {
        n = used = text_utf8_decode(p->at, (size_t)(p->end - p->at), &scalar);
        if (used == 0)
            return fail(p, p->at, "not UTF-8");
        if (scalar < 0x20)
            return fail(p, p->at, "a control character in a string");
    }
    p->at += used;
    *len += n;
    return true;
}

/* From behind the opening quote to the closing one. */
static bool scan_string(parser_t *p, size_t *ret_len, bool *ret_has_escapes)
{
    const char *open = p->at - 1;
    size_t len = 0;
    *ret_has_escapes = false;
    for (;;) {
        while (p->end - p->at >= 8 && is_plain_8(p->at)) {
            p->at += 8;
            len += 8;
        }
        if (p->at == p->end)
            return fail(p, open, "a string without an end that begins");
        if (*p->at == '"')
            break;
        if (!scan_character(p, &len, ret_has_escapes))
            return false;
    }
    *ret_len = len;
    return true;
}

static void copy_unescaped(buf_t *b, const char *at, const char *end, size_t len)
{
    char *to = buf_reserve(b, len);
    if (!to)
        return;
    while (at < end) {
        size_t n;
        if (*at != '\\') {
            *to++ = *at++;
        } else {
            char bytes[4];
            at += decode_escape(at, end, bytes, &n);
            memcpy(to, bytes, n);
            to += n;
        }
    }
    b->len += len;
}

/* Stands on the opening quote. *ret_at is where the bytes of the string stand in the output. */
static bool parse_string(parser_t *p, size_t *ret_at, size_t *ret_len)
{
    const char *first = ++p->at;
    bool has_escapes;
    if (!scan_string(p, ret_len, &has_escapes))
        return false;
    if (has_escapes) {
        mp_put_str_head(p->out, *ret_len);
        copy_unescaped(p->out, first, p->at, *ret_len);
    } else {
        mp_put_str(p->out, first, *ret_len);
    }
    *ret_at = p->out->len - *ret_len;
    p->at++;
    return true;
}

/* ---- the special objects ---- */

/* Turns the {"$binary":"..."} that is the end of the output from `leaf` on into a bin. */
static bool make_binary(parser_t *p, size_t leaf, const char *at)
{
    mp_reader_t r;
    size_t len;
    buf_t bytes = {0};
    mp_reader_init(&r, p->out->data + leaf, p->out->len - leaf);
    mp_read_map(&r);
    mp_read_str(&r, &len);
    const char *text = mp_read_str(&r, &len);
    bool is_sound = !r.bad && base64_decode(&bytes, text, len);
    p->out->failed = p->out->failed || bytes.failed;
    if (is_sound) {
        p->out->len = leaf;
        mp_put_bin(p->out, bytes.data, bytes.len);
    }
    buf_free(&bytes);
    return is_sound ||
           fail(p, at, "$binary without sound base64 (write {\"$value\":...} around an object of that key)");
}

/* Gives the value its meaning, and its height: it stands where no further wrapper can be. */
static bool settle(parser_t *p, parsed_t *v)
{
    size_t kept = v->wrappers / 2, dropped = v->wrappers - kept;
    size_t leaf = v->start + kept * WRAPPER_BYTES;
    if (p->out->failed)
        return false;
    if (dropped > 0) {
        size_t from = leaf + dropped * WRAPPER_BYTES;
        memmove(p->out->data + leaf, p->out->data + from, p->out->len - from);
        p->out->len -= dropped * WRAPPER_BYTES;
    }
    if (v->is_binary && v->wrappers % 2 == 0) {
        if (!make_binary(p, leaf, v->at))
            return false;
        v->height = 0;
    }
    v->height += (unsigned)kept;
    v->wrappers = 0;
    v->is_binary = false;
    return true;
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

static bool parse_array(parser_t *p, unsigned depth, parsed_t *ret)
{
    uint32_t count = 0;
    p->at++;
    mp_put_array(p->out, 0);
    if (peek(p) != ']') {
        do {
            parsed_t element;
            if (!parse_value(p, depth, &element) || !settle(p, &element))
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
    parsed_t first;           /* the first pair's value */
    bool is_value, is_binary; /* its key is "$value", "$binary" */
    uint32_t count;
} object_t;

static bool parse_key(parser_t *p, object_t *o)
{
    size_t at, len;
    if (peek(p) != '"')
        return fail(p, p->at, p->at == p->end ? "the text ends too early" : "no key");
    const char *quote = p->at;
    if (!parse_string(p, &at, &len) || p->out->failed)
        return false;
    const uint8_t *key = p->out->data + at;
    if (memchr(key, '\0', len))
        return fail(p, quote, "a NUL in a key");
    if (o->count == 0) {
        o->is_value = len == 6 && memcmp(key, "$value", 6) == 0;
        o->is_binary = len == 7 && memcmp(key, "$binary", 7) == 0;
    }
    keys_add(&p->keys, at, len);
    return eat(p, ':', "no colon behind a key");
}

/* One pair. The value of a first key "$value" is left unsettled until it is known whether more follows. */
static bool parse_pair(parser_t *p, unsigned depth, object_t *o, parsed_t *ret)
{
    parsed_t value;
    if (!parse_key(p, o) || !parse_value(p, depth, &value))
        return false;
    bool waits = o->count == 0 && o->is_value && peek(p) == '}';
    if (!waits && !settle(p, &value))
        return false;
    if (value.height > ret->height)
        ret->height = value.height;
    if (o->count++ == 0)
        o->first = value;
    return true;
}

/* `key_at`: where one of the two stands in the output, the bytes of its str. */
static bool fail_twice(parser_t *p, size_t key_at, size_t key_len)
{
    char shown[64];
    text_escape_to(shown, sizeof shown, (const char *)p->out->data + key_at, key_len);
    err_set(p->err, FANMAP_EUSAGE, "the key \"%s\" stands twice in the object that ends at byte %zu", shown,
            (size_t)(p->at - p->text));
    return false;
}

static bool end_object(parser_t *p, size_t keys, const object_t *o, parsed_t *ret)
{
    size_t twin, twin_len;
    if (p->keys.places.failed || p->out->failed)
        return false;
    if (keys_end(&p->keys, keys, p->out->data, &twin, &twin_len))
        return fail_twice(p, twin, twin_len);
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

static bool parse_object(parser_t *p, unsigned depth, parsed_t *ret)
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
        return fail(p, p->at, "not JSON");
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
        return fail(p, p->at, why);
    p->at += used;
    return true;
}

static bool parse_value(parser_t *p, unsigned depth, parsed_t *ret)
{
    char c = peek(p);
    size_t at, len;
    *ret = (parsed_t){.start = p->out->len, .at = p->at};
    if ((c == '[' || c == '{') && depth == TEXT_DEPTH_MAX)
        return fail(p, p->at, "more than 128 levels of nesting");
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
        return fail(p, p->at, p->at == p->text ? "no value: the text is empty" : "the text ends too early");
    return c == '-' || (c >= '0' && c <= '9') ? parse_number(p) : fail(p, p->at, "not JSON");
}

static bool parse_text(parser_t *p)
{
    parsed_t value;
    if (!parse_value(p, 0, &value) || !settle(p, &value))
        return false;
    if (value.height > MP_DEPTH_MAX)
        return fail(p, value.at, "more than 128 levels of nesting");
    skip_blanks(p);
    return p->at == p->end || fail(p, p->at, "more than one value: the next begins");
}

int value_from_json(buf_t *b, const char *text, size_t len, fanmap_error_t *err)
{
    parser_t p = {.text = text, .at = text, .end = text + len, .out = b, .err = err};
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
